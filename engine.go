package main

import (
	"github.com/spark-lsp/spark-lsp/offline"
	"github.com/spark-lsp/spark-lsp/server"
)

// engine is the embedded engine as the server wants it: the two rooms do not know each other's types.
type engine struct{ *offline.Engine }

// NextEdits proposes to repeat an edit that was made twice.
func (engine) NextEdits(path, language, text string, past []server.PastEdit) []server.Proposal {
	changes := make([]offline.Change, len(past))
	for i, e := range past {
		changes[i] = offline.Change(e)
	}
	var list []server.Proposal
	for _, p := range offline.RepeatedEdits(path, language, text, changes) {
		list = append(list, server.Proposal(p))
	}
	return list
}
