package session

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// authority is a private CA and a certificate of it for 127.0.0.1 and localhost.
type authority struct {
	pem    []byte
	server *tls.Config
	client *tls.Config
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "spark-lsp test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	pair := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &authority{
		pem:    pemCertificate(der),
		server: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}, ClientCAs: pool},
		client: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}},
	}
}

// link is a stretch of network between a client and a server: every byte arrives half a round trip after it
// was sent, a connection costs a round trip before its first byte, and what TCP may send at once begins at
// ten segments and doubles with each round trip (RFC 6928). Bandwidth beyond that is not limited.
type link struct {
	rtt time.Duration
	l   net.Listener
	to  string
	wg  sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	up    int64 // bytes that clients sent
	down  int64
}

func newLink(t testing.TB, to string, rtt time.Duration) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{rtt: rtt, l: l, to: to}
	k.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			k.mu.Lock()
			k.conns = append(k.conns, c, s)
			k.mu.Unlock()
			k.wg.Go(func() { k.carry(s, c, rtt, &k.up) })
			k.wg.Go(func() { k.carry(c, s, 0, &k.down) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		k.mu.Lock()
		for _, c := range k.conns {
			c.Close()
		}
		k.mu.Unlock()
		k.wg.Wait()
	})
	return k
}

func (k *link) addr() string { return k.l.Addr().String() }

func (k *link) bytes() (up, down int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.up, k.down
}

// carry moves one direction. Reading and delivering are apart, so that bytes under way do not hold back
// those behind them.
func (k *link) carry(dst, src net.Conn, setup time.Duration, count *int64) {
	type packet struct {
		data []byte
		at   time.Time
	}
	way := make(chan packet, 4096)
	k.wg.Go(func() {
		defer dst.Close()
		for p := range way {
			time.Sleep(time.Until(p.at))
			if _, err := dst.Write(p.data); err != nil {
				for range way { // the reader must not block on a packet nobody takes
				}
				return
			}
		}
	})
	defer close(way)
	const segment = 1460
	open := time.Now().Add(setup) // when the handshake is over
	window, sent := 10*segment, 0
	var flight time.Time // when the present window's first byte left
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		k.mu.Lock()
		*count += int64(n)
		k.mu.Unlock()
		for data := append([]byte(nil), buf[:n]...); len(data) > 0; {
			now := time.Now()
			if now.Before(open) {
				now = open
			}
			if now.Sub(flight) >= k.rtt { // everything before is acknowledged
				flight, sent = now, 0
			}
			if sent == window {
				flight, sent = flight.Add(k.rtt), 0
				window *= 2
			}
			m := min(len(data), window-sent)
			if flight.After(now) {
				now = flight
			}
			way <- packet{data[:m], now.Add(k.rtt / 2)}
			sent += m
			data = data[m:]
		}
		if err != nil {
			return
		}
	}
}
