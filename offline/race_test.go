//go:build race

package offline

// raceDetector: times and sizes mean nothing under it, and the corpora take ten times as long.
const raceDetector = true
