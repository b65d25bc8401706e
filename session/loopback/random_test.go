package loopback

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// Whatever clients and scripts do to each other, every exchange that begins ends once, the counts come back to
// zero, Close returns and (goleak, after all tests) nothing runs on.
func TestRandomSchedules(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	faults := slices.DeleteFunc(append(Faults(), None), func(f Fault) bool { return f == Huge }) // huge is slow, and no more than big
	for seed := range uint64(rounds) {
		var mu sync.Mutex
		ends := map[*Exchange]int{}
		rng := rand.New(rand.NewPCG(seed, 1))
		s := start(t, Options{
			Interrupt: rng.IntN(2) == 0, Steer: rng.IntN(2) == 0, NoLanes: rng.IntN(4) == 0, Noise: rng.IntN(2) == 0,
			Finished: func(x *Exchange) {
				mu.Lock()
				defer mu.Unlock()
				ends[x]++
			},
			Respond: func(x *Exchange) {
				f := faults[(seed*31+uint64(x.N)*7)%uint64(len(faults))]
				Answer{Text: strings.Repeat("word ", x.N%20), Fault: f}.Respond(x)
			},
		})
		var clients sync.WaitGroup
		for c := range 4 {
			clients.Go(func() { randomClient(s, rand.New(rand.NewPCG(seed, uint64(c)+2))) })
		}
		clients.Wait()
		if err := s.Close(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		st := s.Stats()
		if st.Open != 0 || st.InFlight != 0 || st.Queued != 0 || st.Finished != len(ends) {
			t.Errorf("seed %d: %+v, %d ends", seed, st, len(ends))
		}
		for x, n := range ends {
			if n != 1 {
				t.Errorf("seed %d: %s ended %d times", seed, x.Summary(), n)
			}
		}
	}
}

// randomClient sends what comes to its mind and hangs up.
func randomClient(s *Server, rng *rand.Rand) {
	for range 3 {
		ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL(), "http")+"/responses", http.Header{"Authorization": {"Bearer x"}})
		if err != nil {
			return
		}
		var mu sync.Mutex // guards last
		last := "resp_none"
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				_, b, err := ws.ReadMessage()
				if err != nil {
					return
				}
				if _, rest, ok := strings.Cut(string(b), `"id":"resp_`); ok && len(rest) > 32 {
					mu.Lock()
					last = "resp_" + rest[:32]
					mu.Unlock()
				}
			}
		}()
		for range 1 + rng.IntN(12) {
			mu.Lock()
			id := last
			mu.Unlock()
			lane := []string{``, `,"stream_id":"a"`, `,"stream_id":"b"`, `,"stream_id":"c"`}[rng.IntN(4)]
			previous := []string{``, `,"previous_response_id":"` + id + `"`}[rng.IntN(2)]
			frame := `{"type":"response.create","model":"m","store":false,"input":"x"` + lane + previous + `}`
			switch rng.IntN(8) {
			case 0:
				frame = fmt.Sprintf(`{"type":"response.interrupt","response_id":%q,"mode":"discard_partial_items"}`, id)
			case 1:
				frame = fmt.Sprintf(`{"type":"response.steer","previous_response_id":%q,"input":"y"}`, id)
			case 2:
				frame = strings.Replace(frame, `"model"`, `"generate":false,"model"`, 1)
			}
			if ws.WriteMessage(websocket.TextMessage, []byte(frame)) != nil {
				break
			}
			for range rng.IntN(50) {
				runtime.Gosched() // so that schedules differ
			}
		}
		ws.Close()
		<-done
	}
}
