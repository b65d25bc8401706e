//go:build !linux

package main

// polled is of use on Linux alone.
func (p process) polled() (_ process, done func()) { return p, func() {} }
