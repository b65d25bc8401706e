package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrClosed is the cause of the error that a request gets when the session is closed.
var ErrClosed = errors.New("session closed")

// failure is why an attempt ended, and what the session itself can still do about it. The caller sees Error
// only when the remedy does not help.
type failure struct {
	err    *Error
	remedy remedy
	param  string // dropParam: the parameter that the endpoint does not take
}

type remedy uint8

const (
	give       remedy = iota // nothing to do: the caller decides
	resendFull               // the base is gone there: the same socket, everything in full
	newSocket                // this socket cannot serve it: another one, at once
	noLanes                  // the endpoint has one lane: remember that, then as newSocket
	again                    // after a pause of our own
	wait                     // after the endpoint's pause, if the job has the patience
	otherTier                // the next of Config.Fallbacks
	dropParam                // without one parameter
	stepEffort               // with the next higher reasoning effort
)

func (f *failure) Error() string { return f.err.Error() }

func fail(kind ErrorKind, r remedy, cause error, format string, args ...any) *failure {
	return &failure{err: &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Err: cause}, remedy: r}
}

// classify turns an endpoint's refusal into a decision. status is 0 when the endpoint gave none; header may
// be nil.
func classify(status int, w wireError, header func(string) string) *failure {
	code := string(w.Code)
	message := w.Message
	if message == "" {
		message = "the endpoint answered " + orElse(strings.TrimSpace(code+" "+http.StatusText(status)), "with an error")
	}
	f := &failure{err: &Error{Code: orElse(code, w.Type), Message: message}}
	set := func(k ErrorKind, r remedy) *failure {
		f.err.Kind, f.remedy = k, r
		return f
	}
	limited := func() *failure {
		delay := retryDelay(header, w.Message)
		f.err.RetryAfter = int(delay.Milliseconds())
		return set(RetryAfter, wait)
	}

	for _, name := range []string{code, w.Type} {
		switch name {
		case "previous_response_not_found":
			return set(RetryNow, resendFull)
		case "websocket_connection_limit_reached", "websocket_stream_limit_reached":
			return set(RetryNow, newSocket)
		case "response_already_in_flight", "websocket_queue_full", "invalid_stream_id":
			return set(RetryNow, noLanes)
		case "insufficient_quota", "billing_hard_limit_reached", "account_deactivated":
			return set(Reauthenticate, give) // waiting does not fill an account
		case "rate_limit_exceeded", "rate_limit_error", "too_many_requests":
			return limited()
		case "server_is_overloaded", "engine_overloaded", "slow_down", "overloaded_error":
			f.err.RetryAfter = int(retryDelay(header, w.Message).Milliseconds())
			return set(FallBack, otherTier)
		case "invalid_api_key", "invalid_authentication", "authentication_error", "permission_denied", "missing_scope":
			return set(Reauthenticate, give)
		case "context_length_exceeded", "string_above_max_length", "request_too_large", "exceed_context_size_error":
			return set(TooLong, give)
		case "model_not_found", "model_not_available", "invalid_model", "unsupported_model":
			return set(FallBack, otherTier)
		case "invalid_prompt", "bio_policy", "misalignment_policy_violation", "data_residency_mismatch",
			"content_filter", "content_policy_violation":
			return set(Refused, give)
		case "server_error", "internal_server_error":
			return set(RetryNow, again)
		}
	}

	if strings.Contains(w.Message, "does not support insert") { // Ollama, of a model without fill-in-the-middle
		return set(Unsupported, give)
	}
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return set(Reauthenticate, give)
	case status == http.StatusProxyAuthRequired:
		return set(Reauthenticate, give)
	case status == http.StatusTooManyRequests:
		return limited()
	case status == http.StatusServiceUnavailable:
		f.err.RetryAfter = int(retryDelay(header, w.Message).Milliseconds())
		return set(FallBack, otherTier)
	case status == http.StatusRequestEntityTooLarge:
		return set(TooLong, give)
	case status == http.StatusNotFound:
		return set(FallBack, otherTier)
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status >= 500:
		return set(RetryNow, again)
	case status == 0 && code == "":
		return set(RetryNow, again)
	}

	// A 400 that names a parameter we can live without: endpoints that imitate the protocol lag behind it.
	param, _, _ := strings.Cut(string(w.Param), "[")
	if param == "" {
		param = namedParam(w.Message)
	}
	switch param {
	case "stream_id":
		return set(RetryNow, noLanes)
	case "service_tier":
		return set(FallBack, otherTier)
	case "reasoning.effort", "reasoning":
		f.param = param
		return set(Bug, stepEffort)
	case "stream_options", "stream_options.include_obfuscation", "text", "text.verbosity", "verbosity",
		"prompt_cache_key", "max_output_tokens", "max_tokens", "reasoning_effort", "generate", "store":
		f.param, _, _ = strings.Cut(param, ".")
		return set(Bug, dropParam)
	}
	return set(Bug, give)
}

// A parameter is named in the text only: "Unknown parameter: 'stream_options'.", "Unsupported parameter: store".
var unknownParam = lazily(`(?i)(?:unknown|unsupported|unrecognized)[a-z ]*(?:parameter|argument|field|value)[a-z ]*: ?['"]?([a-z_.]+)`)

// lazily compiles an expression when it is first needed: errors are rare, starts are not.
func lazily(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

func namedParam(message string) string {
	if m := unknownParam().FindStringSubmatch(message); m != nil {
		return strings.TrimRight(m[1], ".")
	}
	return ""
}

var tryAgainIn = lazily(`(?i)(?:try again|retry) (?:in|after) ((?:\d+(?:\.\d+)?(?:ms|h|m|s) ?)+|\d+ seconds?)`)

// retryDelay is the pause that an endpoint asks for: in its headers, else in its words, else 0. It is held
// below an hour, so that a broken header cannot stop a session for a day.
func retryDelay(header func(string) string, message string) time.Duration {
	const most = time.Hour
	if header != nil {
		if ms, err := strconv.ParseFloat(header("retry-after-ms"), 64); err == nil && ms >= 0 {
			return min(time.Duration(ms*float64(time.Millisecond)), most)
		}
		v := header("retry-after")
		if s, err := strconv.ParseFloat(v, 64); err == nil && s >= 0 {
			return min(time.Duration(s*float64(time.Second)), most)
		}
		if at, err := http.ParseTime(v); err == nil {
			return min(max(time.Until(at), 0), most)
		}
	}
	m := tryAgainIn().FindStringSubmatch(message)
	if m == nil {
		return 0
	}
	text := strings.ReplaceAll(m[1], " ", "")
	if i := strings.Index(text, "second"); i > 0 {
		text = text[:i] + "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return min(d, most)
}

// backoff is the pause before attempt n (from 0): doubled each time, capped, and spread by a tenth either
// way, so that many clients of one endpoint do not come back together.
func backoff(first time.Duration, n int) time.Duration {
	d := min(first<<min(n, 16), 30*time.Second)
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

var keyLike = lazily(`(?i)\b(?:sk|pk|key|xai|gsk|csk)-[A-Za-z0-9_*.\-]{6,}|Bearer +\S+`)

// redact makes a text of the endpoint fit to be shown: one line, short, and without anything that is or
// looks like a key. Endpoints do repeat the key they were given.
func redact(text, key string) string {
	if key != "" {
		text = strings.ReplaceAll(text, key, "[key]")
	}
	text = keyLike().ReplaceAllString(text, "[key]")
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	const most = 300
	if len(text) > most {
		cut := most
		for cut > 0 && text[cut]&0xC0 == 0x80 {
			cut--
		}
		text = text[:cut] + "…"
	}
	return text
}
