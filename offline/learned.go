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

// lineWeights turn what is known of a proposed line into the logit of its being right, learned likewise.
var lineWeights = struct{ once, logP, logShare, level, logCount, logLength, first float64 }{
	once: -1.53, logP: .69, logShare: .83, level: 1.08, logCount: .1, logLength: .63, first: .39,
}
