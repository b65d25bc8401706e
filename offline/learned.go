package offline

const octaves = 12

// mixture are the few numbers by which counts become probabilities. They are learned once (coordinate
// descent on the log loss, then gradient descent for last and alike), on Go's net, ethers in TypeScript and gyp in
// Python, of which the quality test uses only the last. Learning from six times as much moved no figure by a point. They say how code repeats itself, not what it says.
type mixture struct {
	perDistinct [sources][maxLevel + 1]float64 // pseudo-counts for each distinct continuation at a context length
	once        [sources][maxLevel + 1]float64 // and once
	last, alike [3][octaves]float64            // by class and the octave of the distance: added to the logarithm
}

var learned = mixture{
	perDistinct: [sources][maxLevel + 1]float64{
		fromDocument: {.004, 17.7, 9.6, 18.9, 16.5, 12.4, 8.1, 3.5},
		fromProject:  {8, 114, 15.4, 25, 29.3, 16.4, 100, 5.5},
		fromForms:    {8, 1e5, 30, 82.7, 81.4, 40.6, 1000, 32.2},
		fromOwnForms: {8, 1e5, 42, 54, 12.7, 29, 56.7, 11.7},
	},
	once: [sources][maxLevel + 1]float64{
		fromDocument: {1670, 37, 3.2, .02, .06, .06, 9000, .12},
		fromProject:  {.5, .5, .06, .06, .17, .06, .5, .01},
		fromForms:    {.5, .5, .06, .5, .17, .17, .5, .06},
		fromOwnForms: {.5, .5, .06, .5, 4.6, .17, .5, .06},
	},
	last: [3][octaves]float64{
		{.39, -.29, -.13, -.09, -.03, .09, .03, 0, -.09, .09, .27, 0},
		{-.65, 0, -.03, .33, .51, .52, .25, .27, -.08, .02, -.07, 0},
		{-1.13, -.1, .06, .71, 1.08, 1.22, .85, .32, -.14, -.85, -.88, 0},
	},
	alike: [3][octaves]float64{
		{-.84, -.27, .08, .66, .42, .39, .23, .23, -.05, -.14, -.43, -.04},
		{.1, 0, -.02, .11, .44, .44, .13, .14, -.1, -.18, -.01, 0},
		{-.08, 0, .04, -.15, .24, .24, .21, .23, .31, .12, -.04, 0},
	},
}

// lineWeights make the score of a proposed line, confident makes of the description of the best one and of its share of
// the odds the logit of its being right. They were learned (softmax over the lines found, then logistic regression) on
// Go's net, golang.org/x/net and caddy, ethers, leveldown in C++ and Python's standard library. A module left
// out of the learning lost less than half a point.
var (
	lineWeights = weights{
		lineLikely: .42, lineLong: 2.64, lineLong2: -.71,
		lineOver: -1.37, lineLeft: -1.36, lineOpens: 1.33,
		lineNear: 1.18, lineFar: -.07,
		lineByWords: 2.06, lineByWords + share: .3, lineByWords + deep: .97, lineByWords + shareDeep: .22,
		lineByForms: .23, lineByForms + share: -.09, lineByForms + deep: 2.56, lineByForms + shareDeep: .64,
	}
	confident = struct {
		once, logShare float64
		x              weights
	}{-1.56, 1.2, weights{
		lineLikely: .53, lineLong: 2.45, lineLong2: -.6,
		lineOver: -.49, lineLeft: -.79, lineOpens: .74,
		lineNear: -1.36, lineFar: .2,
		lineByWords: -.23, lineByWords + share: -.2, lineByWords + deep: .69, lineByWords + shareDeep: .98,
		lineByForms: -1.06, lineByForms + share: -.27, lineByForms + deep: 2.1, lineByForms + shareDeep: .49,
	}}
)
