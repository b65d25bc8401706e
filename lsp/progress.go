package lsp

import (
	"context"
	"fmt"
	"sync"

	"go.lsp.dev/protocol"
)

// ProgressOptions say how work is shown.
type ProgressOptions struct {
	// Token is the client's own workDoneToken from a request, or one from ProgressToken. Without it one is created,
	// if the client can show progress that we create.
	Token       protocol.ProgressToken
	Cancellable bool   // the client may show a button; it sends window/workDoneProgress/cancel
	Message     string // beside the title
}

// Progress is work that the client shows. Its owner ends it exactly once, also when the work fails; ending it
// again does nothing. The zero Progress shows nothing, so that nobody has to ask whether the client can.
type Progress struct {
	client *Client
	token  protocol.ProgressToken
	mu     sync.Mutex // orders reports before the end
	ended  bool
}

// ProgressToken asks the client for a place to show work in, and waits for its answer. nil is a client that has none.
func (c *Client) ProgressToken(ctx context.Context) (protocol.ProgressToken, error) {
	if !c.WorkDoneProgress {
		return nil, nil
	}
	token := protocol.String(fmt.Sprintf("spark-%d", c.tokens.Add(1)))
	params := &protocol.WorkDoneProgressCreateParams{Token: token}
	if err := c.Call(ctx, protocol.MethodWindowWorkDoneProgressCreate, params, nil); err != nil {
		return nil, err
	}
	return token, nil
}

// Progress begins to show work. A client that cannot show it gets nothing and causes no error. With a token in the
// options it does not wait for the client.
func (c *Client) Progress(ctx context.Context, title string, o ProgressOptions) (*Progress, error) {
	token := o.Token
	if token == nil {
		var err error
		if token, err = c.ProgressToken(ctx); token == nil {
			return &Progress{}, err
		}
	}
	p := &Progress{client: c, token: token}
	begin := &protocol.WorkDoneProgressBegin{Kind: "begin", Title: title, Cancellable: &o.Cancellable}
	if o.Message != "" {
		begin.Message = &o.Message
	}
	return p, p.send(ctx, begin)
}

// Token is what window/workDoneProgress/cancel names this work by, nil when nothing is shown.
func (p *Progress) Token() protocol.ProgressToken { return p.token }

// Report replaces the message. percent is 0 to 100, or negative for unknown.
func (p *Progress) Report(ctx context.Context, message string, percent int) error {
	report := &protocol.WorkDoneProgressReport{Kind: "report", Message: &message}
	if percent >= 0 {
		n := uint32(min(percent, 100))
		report.Percentage = &n
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil
	}
	return p.send(ctx, report)
}

// End ends it with a last message, "" for none. It works when ctx has ended already.
func (p *Progress) End(ctx context.Context, message string) error {
	end := &protocol.WorkDoneProgressEnd{Kind: "end"}
	if message != "" {
		end.Message = &message
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil
	}
	p.ended = true
	return p.send(ctx, end)
}

func (p *Progress) send(ctx context.Context, value any) error {
	if p.client == nil {
		return nil
	}
	raw, err := protocol.Marshal(value)
	if err != nil {
		return err
	}
	return p.client.Notify(ctx, protocol.MethodProgress, &protocol.ProgressParams{Token: p.token, Value: raw})
}
