package server

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"iter"

	"github.com/spark-lsp/spark-lsp/session"
)

// A Steerer is a Model whose answers can be redirected while they are written. See session.Session.Steer.
type Steerer interface {
	Steer(ctx context.Context, h session.Handle, input []session.Part) (session.Outcome, error)
}

// A Warmer is a Model that can be made ready for a base. See session.Session.Warm.
type Warmer interface {
	Warm(ctx context.Context, job session.Job, base []session.Part) error
}

// model is the only door to whoever answers a job: the session behind the gate, or the embedded engine where there is
// none. TestOnlyTheGateSends holds that nobody in this package goes round it. What comes out of it may be a Steerer
// and a Warmer too; the embedded engine is neither.
func (s *Server) model(job session.Job) Model {
	if sess := s.models.session(job); sess != nil {
		return &gate{s: s, session: sess}
	}
	return s.cfg.Engine
}

// hasModel reports whether a job is answered by a model rather than by the embedded engine, which follows no
// instructions.
func (s *Server) hasModel(job session.Job) bool { return s.models.session(job) != nil }

// gate is what every byte on its way to a model passes, and every byte of its answer. Its caller speaks of the user's
// text and the model never sees all of it. The embedded engine has no gate: nothing that it is asked leaves the machine.
type gate struct {
	s       *Server
	session *session.Session
}

func (g *gate) Stream(ctx context.Context, req session.Request) iter.Seq2[session.Event, error] {
	req.CacheKey = g.s.shards.name(req.CacheKey)
	return g.session.Stream(ctx, req)
}

func (g *gate) Steer(ctx context.Context, h session.Handle, input []session.Part) (session.Outcome, error) {
	return g.session.Steer(ctx, h, input)
}

func (g *gate) Warm(ctx context.Context, job session.Job, base []session.Part) error {
	return g.session.Warm(ctx, job, base)
}

// shards names the shards of the endpoint's prompt cache. Callers name them by what they belong to, such as a
// document's URI; the endpoint gets a number that means something to this process only, since the plain hash of a
// path can be guessed from a list of paths.
type shards struct{ key [32]byte }

func newShards() shards {
	var s shards
	rand.Read(s.key[:]) // never fails
	return s
}

func (s *shards) name(of string) string {
	if of == "" {
		return ""
	}
	mac := hmac.New(sha256.New, s.key[:])
	mac.Write([]byte(of))
	return "spark-lsp:" + hex.EncodeToString(mac.Sum(nil)[:8])
}
