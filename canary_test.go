package main

import (
	"fmt"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// sentTo is everything that a model has received: each connection's headers and frames, each request's body.
func sentTo(model *loopback.Server) (sent []string) {
	for _, c := range model.Conns() {
		sent = append(sent, fmt.Sprint(c.Header))
		for _, frame := range c.Frames() {
			sent = append(sent, string(frame))
		}
	}
	for _, x := range model.Seen() {
		sent = append(sent, string(x.Body), x.FullInput())
	}
	return sent
}
