// Package privacy decides what may leave this machine. It speaks of paths, bytes and strings: which files
// are never read ([Rules]) and the one walk over the workspace ([Rules.Walk]). It knows neither the
// protocol nor a model, sends nothing, writes nothing, and starts no process.
package privacy
