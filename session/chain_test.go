package session

import (
	"fmt"
	"slices"
	"testing"

	"github.com/spark-lsp/spark-lsp/session/loopback"
)

// conversation is a request that goes on from an answer.
func conversation(req Request, answer, then string) Request {
	req.Input = append(slices.Clone(req.Input), Part{Assistant, answer}, Part{User, then})
	return req
}

// A request that begins with an earlier one and its answer sends the rest alone, where the endpoint still holds that.
func TestFollowUp(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options loopback.Options
		http    bool
		rest    bool // only the rest is sent
	}{
		{name: "lanes", rest: true},
		{name: "no lanes", options: loopback.Options{NoLanes: true}, rest: true},
		{name: "http", http: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.options.Respond = echo
			srv := serve(t, tc.options)
			s := open(t, srv, func(c *Config) {
				if tc.http {
					c.Transport = HTTP
				}
			})
			ctx := within(t)
			req := Request{Job: Edit, Base: rules, Input: user("first")}
			for i, then := range []string{"second", "third", "fourth"} {
				first := ask(ctx, s, req)
				if first.err != nil {
					t.Fatal(first.err)
				}
				req = conversation(req, first.text, then)
				if i == 2 {
					ask(ctx, s, req)
				}
			}
			for i, x := range srv.Seen() {
				if i == 0 {
					continue
				}
				if tc.rest && (x.PreviousResponseID == "" || x.Input != []string{"", "second", "third", "fourth"}[i]) {
					t.Errorf("request %d continues %q and says %q", i, x.PreviousResponseID, x.Input)
				}
				if !tc.rest && x.PreviousResponseID != "" {
					t.Errorf("request %d continues %q", i, x.PreviousResponseID)
				}
			}
			if last := srv.Seen()[3].FullInput(); last != srv.Seen()[0].FullInput()+"\n"+req.Input[1].Text+"\nsecond\n"+req.Input[3].Text+"\nthird\n"+req.Input[5].Text+"\nfourth" {
				t.Errorf("the endpoint has read %q", last)
			}
		})
	}
}

// What the endpoint has forgotten goes in full, in the same call.
func TestFollowUpForgotten(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, nil)
	ctx := within(t)
	req := Request{Job: Edit, Base: rules, Input: user("first")}
	first := ask(ctx, s, req)
	conn := srv.Conns()[0]
	conn.Evict(conn.Latest(srv.Seen()[0].StreamID))
	ask(ctx, s, conversation(req, first.text, "second")).want(t, "You complete code.\npackage main\nfirst\n"+first.text+"\nsecond", Complete)
	if seen := srv.Seen(); len(seen) != 3 || seen[1].PreviousResponseID == "" || seen[2].PreviousResponseID != "" {
		t.Errorf("%d requests, want one that continues between two that do not", len(seen))
	}
}

// Another answer, another job or a lost connection: nothing is continued.
func TestNoFollowUp(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, nil)
	ctx := within(t)
	req := Request{Job: Edit, Input: user("first")}
	ask(ctx, s, req)
	ask(ctx, s, conversation(req, "not what was said", "second")).want(t, "first\nnot what was said\nsecond", Complete)
	deep := conversation(req, "first", "third")
	deep.Job = Deep
	ask(ctx, s, deep).want(t, "first\nfirst\nthird", Complete)
	srv.Conns()[0].Drop()
	ask(ctx, s, conversation(req, "first", "fourth")).want(t, "first\nfirst\nfourth", Complete)
}

// Conversations do not pile up, and do not take the lanes from other requests.
func TestFollowUpsAreBounded(t *testing.T) {
	srv := serve(t, loopback.Options{Respond: echo})
	s := open(t, srv, nil)
	ctx := within(t)
	for i := range 40 {
		ask(ctx, s, Request{Job: Edit, Input: user(fmt.Sprint("request ", i))})
	}
	s.mu.Lock()
	n := len(s.chains)
	s.mu.Unlock()
	if n != maxChains {
		t.Errorf("%d conversations are kept", n)
	}
	for i := range 40 {
		first := fmt.Sprint("request ", i)
		a := ask(ctx, s, conversation(Request{Job: Edit, Input: user(first)}, first, "more"))
		want := first + "\n" + first + "\nmore"
		if a.text != want && a.text != "more" {
			t.Errorf("request %d was answered with %q", i, a.text)
		}
	}
	if st := srv.Stats(); st.Refused != 0 || st.Conns != 1 {
		t.Errorf("%d requests refused, %d connections", st.Refused, st.Conns)
	}
}
