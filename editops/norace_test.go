//go:build !race

package editops

const raceDetector = false
