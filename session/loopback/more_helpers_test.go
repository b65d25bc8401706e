package loopback

import (
	"context"
	"io"
	"net"
	"net/http"
)

func newRequest(ctx context.Context, url string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err == nil {
		r.Header.Set("Authorization", "Bearer test")
	}
	return r, err
}

// countingConn counts writes.
type countingConn struct {
	net.Conn
	writes int
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.writes++
	return len(b), nil
}
