package breaker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func mustHandler(t testing.TB, c HandlerConfig) *Handler {
	t.Helper()
	h, err := NewHandler(c)
	require.NoError(t, err)
	return h
}

// onceConfig opens at the first failure, for 90 s.
func onceConfig() Config {
	return Config{Trip: ConsecutiveFailures(1), OpenFor: 90 * time.Second, Jitter: NoJitter}
}

func ask(t testing.TB, h http.Handler, address string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, get(t, address))
	return w
}

func answering(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

func TestHandlerConfig(t *testing.T) {
	b, k := must(t, Config{}), once(t)
	key := func(*http.Request) string { return "" }
	for want, c := range map[string]HandlerConfig{
		"no Next":                      {Breaker: b},
		"neither Breaker nor Breakers": {Next: answering(200)},
		"both Breaker and Breakers":    {Next: answering(200), Breaker: b, Breakers: k, Key: key},
		"no Key for Breakers":          {Next: answering(200), Breakers: k},
		"a Key for one Breaker":        {Next: answering(200), Breaker: b, Key: key},
	} {
		_, err := NewHandler(c)
		require.EqualError(t, err, "breaker: NewHandler: "+want)
	}
}

// TestHandlerRefuses: what a refusal looks like, and that Retry-After is rounded up.
// Planted and caught: it is rounded down; it is 0 for what is forced open.
func TestHandlerRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(t, onceConfig())
		code, asked := 500, 0
		h := mustHandler(t, HandlerConfig{Breaker: b, Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.WriteHeader(code)
		})})
		require.Equal(t, 500, ask(t, h, "/").Code)
		refused := func(after string) {
			t.Helper()
			w := ask(t, h, "/")
			require.Equal(t, 503, w.Code)
			require.Equal(t, []string{after}, w.Header()["Retry-After"])
			require.Equal(t, "Service Unavailable\n", w.Body.String())
			require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
		}
		refused("90")
		<-time.After(time.Nanosecond)
		refused("90")
		<-time.After(time.Second)
		refused("89")
		<-time.After(89*time.Second - 2)
		refused("1")
		require.Equal(t, 1, asked)
		<-time.After(1)
		code = 200
		require.Equal(t, 200, ask(t, h, "/").Code)
		require.Equal(t, Closed, b.State())
		b.ForceOpen()
		refused("1")
	})
}

// TestHandlerOutcome: what a handler does, and what it counts as.
//
// Planted and caught: the last status counts; 103 counts; 101 does not; a flush, a write or a file is no
// answer; an empty file is one; ErrAbortHandler is a failure, or a success; a panic is to be ignored; it
// stops; Goexit is a success.
func TestHandlerOutcome(t *testing.T) {
	reader := func(s string) io.Reader { return struct{ io.Reader }{strings.NewReader(s)} } // with no WriteTo
	type writer = http.ResponseWriter
	for name, c := range map[string]struct {
		next func(w writer)
		want Outcome
	}{
		"200":                {func(w writer) { w.WriteHeader(200) }, Success},
		"404":                {func(w writer) { w.WriteHeader(404) }, Success},
		"500":                {func(w writer) { w.WriteHeader(500) }, Failure},
		"501":                {func(w writer) { w.WriteHeader(501) }, Success},
		"503":                {func(w writer) { w.WriteHeader(503) }, Failure},
		"599":                {func(w writer) { w.WriteHeader(599) }, Failure},
		"600":                {func(w writer) { w.WriteHeader(600) }, Success},
		"nothing":            {func(writer) {}, Success},
		"500 after 103":      {func(w writer) { w.WriteHeader(103); w.WriteHeader(500) }, Failure},
		"101":                {func(w writer) { w.WriteHeader(101); w.WriteHeader(500) }, Success},
		"500 after 200":      {func(w writer) { w.WriteHeader(200); w.WriteHeader(500) }, Success},
		"500 after a write":  {func(w writer) { _, _ = io.WriteString(w, "x"); w.WriteHeader(500) }, Success},
		"500 after a flush":  {func(w writer) { w.(http.Flusher).Flush(); w.WriteHeader(500) }, Success},
		"500 after a file":   {func(w writer) { _, _ = io.Copy(w, reader("x")); w.WriteHeader(500) }, Success},
		"500 after no file":  {func(w writer) { _, _ = io.Copy(w, reader("")); w.WriteHeader(500) }, Failure},
		"panic":              {func(writer) { panic("handler") }, Failure},
		"panic after 200":    {func(w writer) { w.WriteHeader(200); panic("handler") }, Failure},
		"strange panic":      {func(writer) { panic([]int{1}) }, Failure},
		"abort":              {func(writer) { panic(http.ErrAbortHandler) }, Ignore},
		"abort after 500":    {func(w writer) { w.WriteHeader(500); panic(http.ErrAbortHandler) }, Ignore},
		"goexit":             {func(writer) { runtime.Goexit() }, Failure},
		"500 through a wrap": {func(w writer) { http.NewResponseController(w).Flush(); w.WriteHeader(500) }, Success},
	} {
		t.Run(name, func(t *testing.T) {
			b := must(t, Config{})
			h := mustHandler(t, HandlerConfig{Breaker: b, Next: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.next(w) })})
			var all sync.WaitGroup
			all.Go(func() {
				defer func() {
					if v := recover(); (v != nil) != (strings.Contains(name, "panic") || strings.Contains(name, "abort")) {
						t.Errorf("%v: a panic goes on", v)
					}
				}()
				ask(t, h, "/")
			})
			all.Wait()
			s := b.Stats()
			got := map[Outcome]int64{Failure: s.Counts.Failures, Ignore: int64(s.Ignored), Success: s.Counts.Calls - s.Counts.Failures}
			require.Equal(t, int64(1), got[c.want], "%+v", s)
			require.Equal(t, int64(1), got[Success]+got[Failure]+got[Ignore], "%+v", s)
		})
	}
}

// TestHandlerStatusOutcome: a client that has gone away makes failures say nothing; and one can have
// another Outcome, even one that panics.
func TestHandlerStatusOutcome(t *testing.T) {
	b := must(t, onceConfig())
	h := mustHandler(t, HandlerConfig{Breaker: b, Next: answering(500)})
	r, cancel := cancelling(get(t, "/"))
	cancel()
	h.ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, Closed, b.State())
	require.EqualValues(t, 1, b.Stats().Ignored)
	require.Equal(t, Success, StatusOutcome(r, 200))

	h = mustHandler(t, HandlerConfig{Breaker: b, Next: answering(404), Outcome: func(r *http.Request, status int) Outcome {
		if status == 404 {
			return Failure
		}
		return StatusOutcome(r, status)
	}})
	ask(t, h, "/")
	require.Equal(t, Open, b.State())
	b.Reset()
	h = mustHandler(t, HandlerConfig{Breaker: b, Next: answering(200),
		Outcome: func(*http.Request, int) Outcome { panic("outcome") }})
	require.PanicsWithValue(t, "outcome", func() { ask(t, h, "/") })
	require.Equal(t, Open, b.State())
}

// TestHandlerNested: the refusal of a Handler behind another one is not a failure of what that one
// guards; a 503 of one's own is. Planted and caught: it is; no 503 is.
func TestHandlerNested(t *testing.T) {
	outer, inner := must(t, onceConfig()), must(t, onceConfig())
	wrap := func(next http.Handler) http.Handler { // somebody's middleware in between
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(struct{ unwrapper }{unwrapper{w}}, r)
		})
	}
	h := mustHandler(t, HandlerConfig{Breaker: outer, Next: wrap(mustHandler(t, HandlerConfig{Breaker: inner, Next: answering(503)}))})
	inner.ForceOpen()
	require.Equal(t, 503, ask(t, h, "/").Code)
	require.Equal(t, Closed, outer.State())
	require.EqualValues(t, 1, outer.Stats().Ignored)
	inner.Reset()
	require.Equal(t, 503, ask(t, h, "/").Code)
	require.Equal(t, Open, outer.State())
	require.Equal(t, Open, inner.State())
}

type unwrapper struct{ http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// TestHandlerKeys: several breakers; "" passes; and what happens if there is none for a key.
func TestHandlerKeys(t *testing.T) {
	breakers := once(t)
	var reported []string
	c := HandlerConfig{
		Breakers: breakers, Next: answering(500),
		Key:     func(r *http.Request) string { return r.URL.Query().Get("tenant") },
		OnError: func(_ *http.Request, err error) { reported = append(reported, err.Error()) },
	}
	h := mustHandler(t, c)
	for i, want := range []int{500, 503, 503} {
		require.Equal(t, want, ask(t, h, "/?tenant=a").Code, i)
		require.Equal(t, 500, ask(t, h, "/").Code)
	}
	require.Equal(t, 500, ask(t, h, "/?tenant=b").Code)
	w := ask(t, h, "/?tenant=c")
	require.Equal(t, 503, w.Code)
	require.Equal(t, "1", w.Header().Get("Retry-After"))
	require.Equal(t, 503, ask(t, h, "/?tenant=bad").Code)
	require.Equal(t, []string{ErrNoRoom.Error(), `breaker: Keyed: Make of "bad": breaker: New: -1 Probes: want 1 to 65536`}, reported)
	c.FailOpen = true
	require.Equal(t, 500, ask(t, mustHandler(t, c), "/?tenant=c").Code)
	require.Len(t, reported, 3)
	require.Equal(t, 503, ask(t, mustHandler(t, c), "/?tenant=a").Code)

	defer slog.SetDefault(slog.Default())
	var log strings.Builder
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	c.OnError = nil
	require.Equal(t, 500, ask(t, mustHandler(t, c), "/?tenant=c").Code)
	require.Contains(t, log.String(), `level=WARN msg="no circuit breaker" error="breaker: no room for another key"`)
}

// TestHandlerServer: over a real connection, a handler flushes, sets a deadline, copies a file, and takes
// the connection over, which counts at once; a panic ends the connection as it does without a Handler.
//
// Planted and caught: no Unwrap; no ReadFrom.
func TestHandlerServer(t *testing.T) {
	b := must(t, onceConfig())
	problems := make(chan error, 10)
	released := make(chan struct{})
	release := sync.OnceFunc(func() { close(released) })
	mux := http.NewServeMux()
	mux.HandleFunc("/flush", func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_, readsFrom := w.(io.ReaderFrom)
		if !readsFrom {
			problems <- errors.New("no io.ReaderFrom")
		}
		_, err := io.Copy(w, struct{ io.Reader }{strings.NewReader("first")})
		problems <- errors.Join(err, c.SetWriteDeadline(time.Now().Add(time.Minute)), c.Flush(), c.EnableFullDuplex())
		<-released
	})
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		problems <- err
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("handler") })
	server := httptest.NewUnstartedServer(mustHandler(t, HandlerConfig{Breaker: b, Next: mux}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.Start()
	defer server.Close()
	defer release()
	client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()

	response, err := client.Get(server.URL + "/flush")
	require.NoError(t, err)
	first := make([]byte, 5)
	_, err = io.ReadFull(response.Body, first)
	require.NoError(t, err, "what was flushed is here, though the handler has not returned")
	require.Equal(t, "first", string(first))
	require.NoError(t, <-problems)
	release()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())

	response, err = client.Get(server.URL + "/hijack")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.NoError(t, <-problems)
	require.Equal(t, 204, response.StatusCode)

	_, err = client.Get(server.URL + "/panic")
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, Open, b.State())
	response, err = client.Get(server.URL + "/flush")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 503, response.StatusCode)
	require.Zero(t, b.Stats().Ignored, "the panic of a hijacked one came after it had counted")
}

// hijackable is a ResponseWriter that can be taken over, if it says so.
type hijackable struct {
	http.ResponseWriter
	err error
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, h.err }

// TestHandlerHijack: a probe that takes the connection over closes the circuit at once. One that cannot,
// and what cannot flush, gets the error that says so, and may answer otherwise. Planted and caught: a hijacked connection counts
// when its handler returns; one that could not be hijacked counts.
func TestHandlerHijack(t *testing.T) {
	b := must(t, Config{Trip: ConsecutiveFailures(1), OpenFor: 1, Jitter: NoJitter})
	halfOpen := func() {
		b.Reset()
		p, err := b.Allow()
		require.NoError(t, err)
		p.Done(errDown)
		for b.State() != HalfOpen { // until the clock has moved
			runtime.Gosched()
		}
	}
	var hijackErr, flushErr error
	var during State
	h := mustHandler(t, HandlerConfig{Breaker: b, Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if _, _, hijackErr = c.Hijack(); hijackErr != nil {
			flushErr = c.Flush()
			w.WriteHeader(500)
		}
		during = b.State()
	})})
	halfOpen()
	h.ServeHTTP(hijackable{httptest.NewRecorder(), nil}, get(t, "/"))
	require.Equal(t, Closed, during)
	halfOpen()
	h.ServeHTTP(hijackable{struct{ http.ResponseWriter }{httptest.NewRecorder()}, errDown}, get(t, "/"))
	require.Equal(t, errDown, hijackErr)
	require.ErrorIs(t, flushErr, http.ErrNotSupported)
	require.Equal(t, HalfOpen, during)
	require.EqualValues(t, 3, b.Stats().Opened, "the 500 has counted")
}

// TestHandlerRace: many requests at once; the circuit opens and closes, and lets probes through one at a time.
func TestHandlerRace(t *testing.T) {
	b := must(t, Config{Trip: FailureRate(0.5, 5, LastCalls(10)), OpenFor: 1, MaxOpenFor: 1, Jitter: NoJitter})
	h := mustHandler(t, HandlerConfig{Breaker: b, Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fail" {
			w.WriteHeader(500)
		}
		_, _ = fmt.Fprint(w, r.URL.Path)
	})})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 500 {
				path := []string{"/fail", "/ok"}[i/50%2]
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
				if body := w.Body.String(); (w.Code == 503) != (body == "Service Unavailable\n") || w.Code != 503 && body != path {
					t.Errorf("%d %q", w.Code, body)
				}
			}
		})
	}
	all.Wait()
	require.Positive(t, b.Stats().Opened)
}
