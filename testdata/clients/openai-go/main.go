// Command openai-go points the official Go client at a loopback model server and checks what it makes of the
// answers: warm-up, lanes, forks, continuation, errors and limits over a WebSocket, then server-sent events,
// plain JSON and chat. It is a module of its own, so that the client is no dependency of the product.
//
//	SPARK_LOOPBACK_URL=http://127.0.0.1:8080/v1 go run .
//
// The server must answer without a script. Every check prints a line; the first mismatch ends it with status 1.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

const model = "loopback"

const says = "spark loopback model" // every canned answer says this of itself

func main() {
	url := os.Getenv("SPARK_LOOPBACK_URL")
	if url == "" {
		fmt.Fprintln(os.Stderr, "openai-go: SPARK_LOOPBACK_URL is not set (the server's base URL, ending in /v1)")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := openai.NewClient(option.WithBaseURL(url), option.WithAPIKey("loopback"), option.WithMaxRetries(0))
	for _, check := range []struct {
		name string
		run  func(context.Context, openai.Client) error
	}{
		{"models are listed", models},
		{"WebSocket: warm-up, forks on lanes, continuation, errors", lanes},
		{"WebSocket: an edit's region comes back with a comment", region},
		{"WebSocket: 33rd lane and bad lane names are refused", limits},
		{"WebSocket: a steer that comes too late is refused", steer},
		{"HTTP: server-sent events", sse},
		{"HTTP: continuation and its refusal", continuation},
		{"HTTP: chat completions", chat},
	} {
		if err := check.run(ctx, client); err != nil {
			fmt.Fprintf(os.Stderr, "MISMATCH %s: %v\n", check.name, err)
			os.Exit(1)
		}
		fmt.Println("ok", check.name)
	}
}

func models(ctx context.Context, c openai.Client) error {
	page, err := c.Models.List(ctx)
	if err == nil && len(page.Data) == 0 {
		err = errors.New("none")
	}
	return err
}

type create = responses.ResponsesClientEventResponseCreateParam

func input(text string) responses.ResponsesClientEventResponseCreateInputUnionParam {
	return responses.ResponsesClientEventResponseCreateInputUnionParam{OfString: openai.String(text)}
}

// receiver is a connection or a lane.
type receiver interface {
	Recv(context.Context) (responses.ResponsesServerEventUnion, error)
}

// answer reads one response, checks its events, and returns its text and the terminal response. At
// response.in_progress it calls ready, when given.
func answer(ctx context.Context, from receiver, lane string, ready func()) (string, *responses.Response, error) {
	var acc responses.ResponseAccumulator
	var text strings.Builder
	var collected string
	var kinds []string
	for n := 0; ; n++ {
		event, err := from.Recv(ctx)
		if err != nil {
			return "", nil, err
		}
		var raw struct {
			Sequence *int               `json:"sequence_number"`
			StreamID *string            `json:"stream_id"`
			Delta    string             `json:"delta"`
			Response responses.Response `json:"response"`
		}
		if err := json.Unmarshal([]byte(event.RawJSON()), &raw); err != nil {
			return "", nil, err
		}
		if event.Type == "error" {
			return "", nil, &responses.ResponseProtocolError{Event: event}
		}
		if !strings.HasPrefix(event.Type, "response.") { // codex.rate_limits and such have no number
			n--
			continue
		}
		kinds = append(kinds, event.Type)
		switch {
		case raw.Sequence == nil || *raw.Sequence != n:
			return "", nil, fmt.Errorf("event %d of the response: %s", n, event.RawJSON())
		case (lane != "") != (raw.StreamID != nil) || raw.StreamID != nil && *raw.StreamID != lane:
			return "", nil, fmt.Errorf("lane %q: %s", lane, event.RawJSON())
		}
		if err := acc.AddEvent(event); err != nil {
			return "", nil, fmt.Errorf("accumulate %s: %w", event.Type, err)
		}
		switch event.Type {
		case "response.in_progress":
			if ready != nil {
				ready()
			}
		case "response.output_text.delta":
			text.WriteString(raw.Delta)
		case "response.output_item.done":
			collected = acc.Snapshot().OutputText()
		case "response.completed", "response.failed", "response.incomplete":
			if kinds[0] != "response.created" || len(kinds) < 3 || kinds[1] != "response.in_progress" {
				return "", nil, fmt.Errorf("order of events: %v", kinds)
			}
			if collected != text.String() {
				return "", nil, fmt.Errorf("the client collected %q, the deltas are %q", collected, text.String())
			}
			if event.Type != "response.completed" || raw.Response.ID == "" || raw.Response.Status != "completed" {
				return "", nil, fmt.Errorf("ended in %s", event.RawJSON())
			}
			return text.String(), &raw.Response, nil
		}
	}
}

// refused checks that err is the protocol's error with this code on this lane.
func refused(err error, code, lane string) error {
	var pe *responses.ResponseProtocolError
	if !errors.As(err, &pe) {
		return fmt.Errorf("want %s, got %w", code, err)
	}
	e := pe.Event.OfResponsesServerEventResponseWsError
	if e.Error.Code != code || e.Status != 400 || e.StreamID != lane || e.Error.Message == "" {
		return fmt.Errorf("want %s on lane %q, got %s", code, lane, pe.Event.RawJSON())
	}
	return nil
}

func lanes(ctx context.Context, c openai.Client) error {
	conn, err := c.Responses.Connect(ctx, responses.ResponseConnectionOptions{})
	if err != nil {
		return err
	}
	defer conn.Close()
	base, err := conn.Lane("base")
	if err != nil {
		return err
	}
	warm := func() (*responses.Response, error) {
		err := conn.Create(ctx, create{Model: model, Store: openai.Bool(false), Generate: openai.Bool(false), StreamID: openai.String("base"), Input: input("Rules for everything that follows.")})
		if err != nil {
			return nil, err
		}
		text, r, err := answer(ctx, base, "base", nil)
		if err == nil && (text != "" || len(r.Output) != 0 || r.Usage.OutputTokens != 0) {
			err = fmt.Errorf("a warm-up generated: %s", r.RawJSON())
		}
		return r, err
	}
	warmed, err := warm()
	if err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	// Three forks at once, each on its own lane; the base advances when all are in progress.
	const forks = 3
	ready, results := make(chan struct{}, forks), make(chan error, forks)
	for i := range forks {
		name := fmt.Sprintf("edit-%d", i)
		lane, err := conn.Lane(name)
		if err != nil {
			return err
		}
		defer lane.Close()
		err = conn.Create(ctx, create{Model: model, Store: openai.Bool(false), StreamID: openai.String(name), PreviousResponseID: openai.String(warmed.ID), Input: input("Say who you are.")})
		if err != nil {
			return err
		}
		go func() {
			isReady := sync.OnceFunc(func() { ready <- struct{}{} })
			defer isReady() // when it ends before
			text, r, err := answer(ctx, lane, name, isReady)
			switch {
			case err != nil:
			case !strings.Contains(text, says):
				err = fmt.Errorf("text %q", text)
			case r.PreviousResponseID != warmed.ID || r.Usage.InputTokensDetails.CachedTokens == 0:
				err = fmt.Errorf("fork of %s: %s", warmed.ID, r.RawJSON())
			}
			results <- err
		}()
	}
	for range forks {
		<-ready
	}
	renewed, err := warm()
	if err != nil {
		return fmt.Errorf("second warm-up: %w", err)
	}
	for range forks {
		if err := <-results; err != nil {
			return fmt.Errorf("fork: %w", err)
		}
	}
	// The lane keeps its latest response only.
	late, err := conn.Lane("late")
	if err != nil {
		return err
	}
	for _, id := range []string{warmed.ID, "resp_unknown"} {
		if err := conn.Create(ctx, create{Model: model, Store: openai.Bool(false), StreamID: openai.String("late"), PreviousResponseID: openai.String(id), Input: input("x")}); err != nil {
			return err
		}
		_, _, err := answer(ctx, late, "late", nil)
		if err := refused(err, "previous_response_not_found", "late"); err != nil {
			return err
		}
	}
	// The unnamed lane, continued on itself and forked from a named one.
	previous := renewed.ID
	for range 2 {
		if err := conn.Create(ctx, create{Model: model, Store: openai.Bool(false), PreviousResponseID: openai.String(previous), Input: input("Once more.")}); err != nil {
			return err
		}
		text, r, err := answer(ctx, conn, "", nil)
		if err != nil || !strings.Contains(text, says) {
			return fmt.Errorf("unnamed lane: %q, %w", text, err)
		}
		previous = r.ID
	}
	return nil
}

func region(ctx context.Context, c openai.Client) error {
	conn, err := c.Responses.Connect(ctx, responses.ResponseConnectionOptions{})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Create(ctx, create{Model: model, Input: input("main.go\n<region>\n\tx := 1\n</region>\n")}); err != nil {
		return err
	}
	text, _, err := answer(ctx, conn, "", nil)
	if err == nil && text != "\t// "+says+"\n\tx := 1\n" {
		err = fmt.Errorf("text %q", text)
	}
	return err
}

func limits(ctx context.Context, c openai.Client) error {
	conn, err := c.Responses.Connect(ctx, responses.ResponseConnectionOptions{})
	if err != nil {
		return err
	}
	defer conn.Close()
	for i := range 33 {
		name := fmt.Sprintf("lane.%d", i)
		lane, err := conn.Lane(name)
		if err != nil {
			return err
		}
		if err := conn.Create(ctx, create{Model: model, Store: openai.Bool(false), Generate: openai.Bool(false), StreamID: openai.String(name), Input: input("x")}); err != nil {
			return err
		}
		_, _, err = answer(ctx, lane, name, nil)
		if i == 32 {
			err = refused(err, "websocket_stream_limit_reached", name)
		}
		if err != nil {
			return fmt.Errorf("lane %d: %w", i+1, err)
		}
	}
	// The client refuses bad names itself, so this goes out raw.
	if err := conn.SendRaw(ctx, json.RawMessage(`{"type":"response.create","model":"loopback","stream_id":"","input":"x"}`)); err != nil {
		return err
	}
	_, _, err = answer(ctx, conn, "", nil)
	return refused(err, "invalid_stream_id", "")
}

func steer(ctx context.Context, c openai.Client) error {
	conn, err := c.Responses.Connect(ctx, responses.ResponseConnectionOptions{})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Create(ctx, create{Model: model, Input: input("x")}); err != nil {
		return err
	}
	_, r, err := answer(ctx, conn, "", nil)
	if err != nil {
		return err
	}
	if err := conn.SendRaw(ctx, json.RawMessage(`{"type":"response.steer","previous_response_id":"`+r.ID+`","input":"no"}`)); err != nil {
		return err
	}
	event, err := conn.Recv(ctx)
	if err != nil {
		return err
	}
	e := event.OfResponseSteerFailedEvent
	if event.Type != "response.steer.failed" || e.Error.Code != "response_already_completed" || e.Steer.PreviousResponseID != r.ID {
		return fmt.Errorf("got %s", event.RawJSON())
	}
	return nil
}

func sse(ctx context.Context, c openai.Client) error {
	stream := c.Responses.NewStreaming(ctx, responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Say who you are.")}})
	defer stream.Close()
	var text strings.Builder
	done, n := "", int64(0)
	for stream.Next() {
		event := stream.Current()
		if event.SequenceNumber != n {
			return fmt.Errorf("%s is number %d, its sequence_number is %d", event.Type, n, event.SequenceNumber)
		}
		n++
		switch event.Type {
		case "response.output_text.delta":
			text.WriteString(event.AsResponseOutputTextDelta().Delta)
		case "response.output_text.done":
			done = event.AsResponseOutputTextDone().Text
		case "response.completed":
			r := event.AsResponseCompleted().Response
			if text.String() != done || !strings.Contains(done, says) || r.Usage.OutputTokens == 0 {
				return fmt.Errorf("deltas %q, done %q, %s", text.String(), done, r.RawJSON())
			}
			if stream.Next() {
				return fmt.Errorf("%s after the terminal event", stream.Current().Type)
			}
			return stream.Err()
		}
	}
	return fmt.Errorf("no terminal event: %w", stream.Err())
}

func continuation(ctx context.Context, c openai.Client) error {
	ask := func(previous string) (*responses.Response, error) {
		p := responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("x")}}
		if previous != "" {
			p.PreviousResponseID = openai.String(previous)
		}
		return c.Responses.New(ctx, p)
	}
	first, err := ask("")
	if err != nil {
		return err
	}
	if !strings.Contains(first.OutputText(), says) {
		return fmt.Errorf("output %q", first.OutputText())
	}
	if _, err := ask(first.ID); err != nil {
		return err
	}
	var api *openai.Error
	if _, err := ask("resp_unknown"); !errors.As(err, &api) || api.StatusCode != 400 || api.Code != "previous_response_not_found" {
		return fmt.Errorf("an unknown id: %w", err)
	}
	return nil
}

func chat(ctx context.Context, c openai.Client) error {
	params := openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Say who you are.")}}
	stream := c.Chat.Completions.NewStreaming(ctx, params)
	defer stream.Close()
	acc := openai.ChatCompletionAccumulator{}
	for stream.Next() {
		if !acc.AddChunk(stream.Current()) {
			return fmt.Errorf("the client cannot take %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		return err
	}
	if len(acc.Choices) != 1 || !strings.Contains(acc.Choices[0].Message.Content, says) || acc.Choices[0].FinishReason != "stop" {
		return fmt.Errorf("%+v", acc.Choices)
	}
	whole, err := c.Chat.Completions.New(ctx, params)
	if err == nil && whole.Choices[0].Message.Content != acc.Choices[0].Message.Content {
		err = fmt.Errorf("whole %q, streamed %q", whole.Choices[0].Message.Content, acc.Choices[0].Message.Content)
	}
	return err
}
