package session

import (
	"fmt"
	"sync"

	"github.com/tiktoken-go/tokenizer/codec"
)

// Counter counts tokens of the o200k vocabulary. Its zero value is ready; the vocabulary (6 MB, 25 ms) is loaded by
// the first Count. Many goroutines may share one. What has been counted is remembered in pages, since the same
// texts come again and again with few changes: a page that is known costs a look-up, 1 KB of new text 0.2 ms.
type Counter struct {
	once  sync.Once
	codec *codec.Codec

	mu    sync.Mutex
	pages map[string]int // counted pages of text; bases and files come again and again
}

const (
	pageBytes = 4 << 10
	maxPages  = 4096 // 16 MiB of text; past that the cache starts anew
)

// page is the length of the first page of a text: it ends after a line that its own content chooses, so
// that an edit moves the seams of its neighbourhood only, and the pages behind it are found counted.
func page(text string) int {
	h := uint32(2166136261)
	for i := range min(len(text), pageBytes) {
		h = (h ^ uint32(text[i])) * 16777619
		if text[i] == '\n' {
			if i > pageBytes/8 && h&31 == 0 {
				return i + 1
			}
			h = 2166136261
		}
	}
	return min(len(text), pageBytes)
}

// Count is how many tokens a text has. It adds up pages. A token that crosses a seam is counted as two: about one in a thousand, and on the
// safe side.
func (c *Counter) Count(text string) int {
	c.once.Do(func() { c.codec = codec.NewO200kBase() })
	total := 0
	for len(text) > 0 {
		page := text[:page(text)]
		text = text[len(page):]
		c.mu.Lock()
		n, ok := c.pages[page]
		c.mu.Unlock()
		if !ok {
			var err error
			if n, err = c.codec.Count(page); err != nil {
				n = len(page) / 3
			}
			c.mu.Lock()
			if c.pages == nil || len(c.pages) >= maxPages {
				c.pages = map[string]int{}
			}
			c.pages[page] = n
			c.mu.Unlock()
		}
		total += n
	}
	return total
}

// CountTokens is how many tokens of the o200k vocabulary a text has, exact but for one in a thousand. The
// first call loads the vocabulary.
func (s *Session) CountTokens(text string) int { return s.tokens.Count(text) }

// measure refuses a request that does not fit the model's context window, with the numbers. A token has at
// least one byte, so a request with fewer bytes than the window has tokens is never counted.
func (s *Session) measure(req *Request) error {
	room := s.cfg.ContextWindow - orElse(req.MaxOutputTokens, jobDefault(req.Job))
	bytes, parts := 0, 0
	for _, list := range [][]Part{req.Base, req.Input} {
		for _, p := range list {
			bytes += len(p.Text)
			parts++
		}
	}
	const perPart = 4 // tokens that frame a message
	if s.proto.fim || bytes+parts*perPart <= room {
		return nil // fill-in-the-middle dialects cut their texts themselves
	}
	n := parts * perPart
	for _, list := range [][]Part{req.Base, req.Input} {
		for _, p := range list {
			n += s.CountTokens(p.Text)
		}
	}
	if n <= room {
		return nil
	}
	return &Error{Kind: TooLong, Code: "context_length_exceeded", Message: fmt.Sprintf(
		"the request has %d tokens, and with %d for the answer the model takes %d", n, s.cfg.ContextWindow-room, room)}
}
