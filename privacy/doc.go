// Package privacy decides what may leave this machine, and what may come back. It speaks of paths, bytes and strings:
// which files are never read ([Rules]), the one walk over the workspace ([Rules.Walk]), which secrets stand in a text
// and what takes their place ([Masker]), what nobody can see ([Screen]), and which files run ([Protected]). It knows
// neither the protocol nor a model, sends nothing, writes nothing, and starts no process.
package privacy
