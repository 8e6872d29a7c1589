package ratelimit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// server is a RoundTripper that answers from a script, the last answer again and again. It
// records what it was asked, and when.
type server struct {
	mu      sync.Mutex
	start   time.Time
	answers []answer
	bodies  []*closing      // of the answers
	got     []*http.Request // with their bodies in read
	read    []string
	at      []time.Duration
}

type answer struct {
	status int
	header string // "Name: value" by lines
	body   string
}

// closing is a body that knows how much of it was read, and whether it was closed.
type closing struct {
	io.Reader
	read   int
	closed bool
}

func (c *closing) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	return n, err
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func serve(answers ...answer) *server { return &server{start: time.Now(), answers: answers} }

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	read := ""
	if r.Body != nil {
		all, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		read = string(all)
		r.Body.Close()
	}
	a := s.answers[min(len(s.got), len(s.answers)-1)]
	s.got, s.read, s.at = append(s.got, r), append(s.read, read), append(s.at, time.Since(s.start))
	body := &closing{Reader: strings.NewReader(a.body)}
	s.bodies = append(s.bodies, body)
	header := make(http.Header)
	for line := range strings.Lines(a.header) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		header.Add(name, value)
	}
	return &http.Response{StatusCode: a.status, Header: header, Body: body, Request: r}, nil
}

// noJitter makes waits exact.
func noJitter(s http.RoundTripper) TransportConfig {
	return TransportConfig{Base: s, Jitter: -1, RetryMinimum: Unlimited}
}

func transport(t testing.TB, c TransportConfig) *Transport {
	t.Helper()
	tr, err := NewTransport(c)
	require.NoError(t, err)
	return tr
}

func newRequest(method, url string, body io.Reader) *http.Request {
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		panic(err)
	}
	return r
}

// When requests are sent, in seconds from the beginning, by what the server answers.
//
// Planted: 503 without a Retry-After; POST after a 503; MaxAttempts off by one; a wait longer
// than MaxWait; the RateLimit before the Retry-After; a backoff that stays the same.
func TestTransport(t *testing.T) {
	ok := answer{200, "", ""}
	refuse := func(header string) answer { return answer{429, header, "no"} }
	busy := answer{503, "Retry-After: 2", ""}
	for _, c := range []struct {
		name    string
		method  string
		answers []answer
		status  int
		at      []int
	}{
		{"admitted", "GET", []answer{ok}, 200, []int{0}},
		{"another error", "GET", []answer{{500, "Retry-After: 2", ""}}, 500, []int{0}},
		{"seconds", "GET", []answer{refuse("Retry-After: 7"), ok}, 200, []int{0, 7}},
		{"at once", "GET", []answer{refuse("Retry-After: 0"), ok}, 200, []int{0, 0}},
		{"date", "GET", []answer{refuse("Retry-After: Sat, 01 Jan 2000 00:00:09 GMT"), ok}, 200, []int{0, 9}}, // synctest begins in 2000
		{"date by the server's clock", "GET", []answer{refuse("Date: Mon, 01 Jan 2001 00:00:00 GMT\nRetry-After: Mon, 01 Jan 2001 00:00:09 GMT"), ok}, 200, []int{0, 9}},
		{"date in the past", "GET", []answer{refuse("Retry-After: Fri, 31 Dec 1999 00:00:00 GMT"), ok}, 200, []int{0, 0}},
		{"nothing said", "GET", []answer{refuse(""), ok}, 200, []int{0, 1}},
		{"garbage", "GET", []answer{refuse("Retry-After: soon"), refuse("Retry-After: -7"), ok}, 200, []int{0, 1, 3}},
		{"garbage in both", "GET", []answer{refuse("Retry-After: 1e3\nRateLimit: ;;"), ok}, 200, []int{0, 1}},
		{"limits", "GET", []answer{refuse(`RateLimit: "a";r=0;t=4, "b";r=7;t=9`), ok}, 200, []int{0, 4}},
		{"limits that have been reset", "GET", []answer{refuse(`RateLimit: "a";r=0;t=0`), ok}, 200, []int{0, 1}},
		{"Retry-After and limits", "GET", []answer{refuse("Retry-After: 5\nRateLimit: \"a\";r=0;t=9"), ok}, 200, []int{0, 5}},
		{"three times", "GET", []answer{refuse("Retry-After: 1")}, 429, []int{0, 1, 2}},
		{"longest", "GET", []answer{refuse("Retry-After: 30"), ok}, 200, []int{0, 30}},
		{"too long", "GET", []answer{refuse("Retry-After: 31"), ok}, 429, []int{0}},
		{"absurd", "GET", []answer{refuse("Retry-After: 99999999999999999999"), ok}, 429, []int{0}},
		{"absurd limits", "GET", []answer{refuse(`RateLimit: "a";r=0;t=999999999999999`), ok}, 429, []int{0}},
		{"absurd date", "GET", []answer{refuse("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"), ok}, 429, []int{0}},
		{"unavailable", "GET", []answer{busy, ok}, 200, []int{0, 2}},
		{"unavailable, nothing said", "GET", []answer{{503, "", ""}, ok}, 503, []int{0}},
		{"unavailable, only limits", "GET", []answer{{503, `RateLimit: "a";r=0;t=4`, ""}, ok}, 503, []int{0}},
		{"POST refused", "POST", []answer{refuse("Retry-After: 7"), ok}, 200, []int{0, 7}},
		{"POST unavailable", "POST", []answer{busy, ok}, 503, []int{0}},
		{"PUT unavailable", "PUT", []answer{busy, ok}, 200, []int{0, 2}},
		{"PATCH unavailable", "PATCH", []answer{busy, ok}, 503, []int{0}},
		{"POST with a key unavailable", "KEY", []answer{busy, ok}, 200, []int{0, 2}},
		{"refused and unavailable", "GET", []answer{refuse("Retry-After: 3"), busy, ok}, 200, []int{0, 3, 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(c.answers...)
				var r *http.Request
				switch c.method {
				case "GET":
					r = newRequest("GET", "http://a/b?c", nil)
				case "KEY":
					r = newRequest("POST", "http://a/b?c", strings.NewReader("body"))
					r.Header.Set("Idempotency-Key", "1")
				default:
					r = newRequest(c.method, "http://a/b?c", strings.NewReader("body"))
				}
				response, err := transport(t, noJitter(s)).RoundTrip(r)
				require.NoError(t, err)
				require.Equal(t, c.status, response.StatusCode)
				var at []int
				for i, d := range s.at {
					require.Zero(t, d%time.Second)
					at = append(at, int(d/time.Second))
					require.Equal(t, i < len(s.at)-1, s.bodies[i].closed, "all answers but the last are closed")
					require.Equal(t, r.Body != nil, s.read[i] == "body", "the body is sent from its beginning")
					require.Equal(t, r.URL, s.got[i].URL)
					require.Equal(t, r.Header, s.got[i].Header)
				}
				require.Equal(t, c.at, at)
			})
		})
	}
}

// Who may not repeat a request gets the answer, unread.
//
// Planted: a body sent again that has been read; an answer drained without a bound, of bytes
// or of time.
func TestTransportBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := answer{429, "Retry-After: 1", "why"}
		s := serve(no, answer{200, "", ""})
		r := newRequest("PUT", "http://a/", io.MultiReader(strings.NewReader("once"))) // no GetBody
		response, err := transport(t, noJitter(s)).RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, 429, response.StatusCode)
		require.Len(t, s.got, 1)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, "why", string(body))

		s = serve(no, answer{200, "", ""})
		r = newRequest("PUT", "http://a/", strings.NewReader("again"))
		r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("lost") }
		response, err = transport(t, noJitter(s)).RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, 429, response.StatusCode)
		require.False(t, s.bodies[0].closed)

		s = serve(answer{429, "Retry-After: 1", strings.Repeat("x", 1<<20)}, answer{200, "", ""})
		r = newRequest("GET", "http://a/", http.NoBody)
		_, err = transport(t, noJitter(s)).RoundTrip(r)
		require.NoError(t, err)
		require.Len(t, s.got, 2)
		require.True(t, s.bodies[0].closed)
		require.LessOrEqual(t, s.bodies[0].read, 64<<10)

		// A body that never ends does not hold the request longer than it waits anyway.
		n := 0
		start := time.Now()
		_, err = transport(t, noJitter(roundTripper(func(r *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				endless, _ := io.Pipe()
				return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"7"}}, Body: endless}, nil
			}
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}))).RoundTrip(newRequest("GET", "http://a/", nil))
		require.NoError(t, err)
		require.Equal(t, 7*time.Second, time.Since(start))

		// The request is the caller's.
		s = serve(no, answer{200, "", ""})
		r = newRequest("POST", "http://a/", strings.NewReader("again"))
		r.Header.Set("A", "b")
		before, body1 := r.Clone(context.Background()), r.Body
		base := roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := s.RoundTrip(r)
			if len(s.got) > 1 {
				r.Header.Set("A", "c")
				r.URL.Path = "/d"
			}
			return response, err
		})
		_, err = transport(t, noJitter(base)).RoundTrip(r)
		require.NoError(t, err)
		require.Len(t, s.got, 2)
		require.Equal(t, before.Header, r.Header)
		require.Equal(t, before.URL, r.URL)
		require.True(t, body1 == r.Body)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Planted: a wait beyond the deadline; a wait that does not end with the context; a body that
// is not closed when nothing is sent.
func TestTransportContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(answer{429, "Retry-After: 10", "why"})
		tr := transport(t, noJitter(s))
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 9*time.Second)
		defer cancel()
		response, err := tr.RoundTrip(newRequest("GET", "http://a/", nil).WithContext(ctx))
		require.NoError(t, err)
		require.Equal(t, 429, response.StatusCode)
		require.False(t, s.bodies[0].closed)
		require.Zero(t, time.Since(start), "at once")

		// The gate is closed for longer than the deadline.
		r := newRequest("PUT", "http://a/", nil).WithContext(ctx)
		body := &closing{Reader: strings.NewReader("x")}
		r.Body = body
		_, err = tr.RoundTrip(r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "ratelimit: Transport: a is held back for 10s: context deadline exceeded")
		require.True(t, body.closed)
		require.Zero(t, time.Since(start), "at once")
		require.Len(t, s.got, 1)

		// The context ends in between.
		for _, host := range []string{"b", "b"} { // in a wait of its own, and in front of the gate
			ctx, cancel := context.WithCancel(context.Background())
			stop := time.AfterFunc(3*time.Second, cancel)
			start = time.Now()
			r = newRequest("GET", "http://"+host+"/", strings.NewReader("x")).WithContext(ctx)
			_, err = tr.RoundTrip(r)
			require.ErrorIs(t, err, context.Canceled)
			require.Equal(t, 3*time.Second, time.Since(start))
			stop.Stop()
		}
		require.Len(t, s.got, 2)
		require.True(t, s.bodies[1].closed)

		// With a client, whose Timeout is a deadline.
		client := &http.Client{Transport: transport(t, noJitter(s)), Timeout: 5 * time.Second}
		start = time.Now()
		response, err = client.Get("http://c/")
		require.NoError(t, err)
		require.Equal(t, 429, response.StatusCode)
		require.Zero(t, time.Since(start), "at once")
		response.Body.Close()
	})
}

// After one request was refused the others wait with it, those to other hosts do not, and
// neither do those with a scope of their own.
//
// Planted: a gate that is not closed; one for all hosts.
func TestTransportGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(answer{429, "Retry-After: 10", ""}, answer{200, "", ""})
		tr := transport(t, noJitter(s))
		start := time.Now()
		var group sync.WaitGroup
		took := make([]time.Duration, 5)
		send := func(i int, url string) {
			response, err := tr.RoundTrip(newRequest("GET", url, nil))
			if err == nil && response.StatusCode == 200 {
				took[i] = time.Since(start)
			}
		}
		group.Go(func() { send(0, "http://a/1") })
		synctest.Wait()
		group.Go(func() { send(1, "http://A/2") })
		group.Go(func() { send(2, "http://b/") })
		group.Go(func() { <-time.After(4 * time.Second); send(3, "http://a/3") })
		group.Go(func() { <-time.After(11 * time.Second); send(4, "http://a/4") })
		group.Wait()
		require.Equal(t, []time.Duration{10e9, 10e9, 0, 10e9, 11e9}, took)

		// It is closed for no longer than MaxWait, and by a 503, too.
		s = serve(answer{503, "Retry-After: 86400", ""}, answer{200, "", ""})
		tr = transport(t, noJitter(s))
		start = time.Now()
		send(0, "http://a/")
		require.Zero(t, time.Since(start))
		send(0, "http://a/")
		require.Equal(t, 30*time.Second, took[0])

		// A guess closes nothing, and without a scope there is no gate.
		for _, c := range []TransportConfig{{}, {Scope: func(*http.Request) string { return "" }}} {
			s = serve(answer{429, "", ""}, answer{200, "", ""})
			if c.Scope != nil {
				s = serve(answer{429, "Retry-After: 9", ""}, answer{200, "", ""})
			}
			c.Base, c.MaxAttempts = s, 1
			tr = transport(t, c)
			start = time.Now()
			send(0, "http://a/")
			send(0, "http://a/")
			require.Zero(t, took[0])
			require.Len(t, s.got, 2)
		}
	})
}

// A gate that is closed again and again holds nobody back for longer than MaxWait.
//
// Planted: a wait at the gate without an end.
func TestTransportGateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(answer{200, "", ""})
		tr := transport(t, noJitter(s))
		go func() {
			for range 20 {
				tr.gate.close("a", 10*time.Second)
				<-time.After(5 * time.Second)
			}
		}()
		synctest.Wait()
		start := time.Now()
		_, err := tr.RoundTrip(newRequest("GET", "http://a/", nil))
		require.NoError(t, err)
		require.Equal(t, 30*time.Second, time.Since(start))
		<-time.After(time.Hour)
	})
}

// The gate remembers only those that are closed, and at most as many others.
//
// Planted: one that forgets nothing; one that is opened by a shorter wait.
func TestGateForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		for i := range 1000 {
			g.close(fmt.Sprint(i), 10*time.Second)
			<-time.After(time.Second)
		}
		require.LessOrEqual(t, len(g.until), 2*11+8)
		g.close("a", 5*time.Second)
		g.close("a", time.Second)
		require.Equal(t, 5*time.Second, g.closedFor("a"), "it is not opened earlier")
		g.close("", time.Second)
		require.NotContains(t, g.until, "")
	})
}

func TestTransportAnticipates(t *testing.T) {
	for _, anticipate := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(answer{200, `RateLimit: "a";r=3;t=7`, ""}, answer{200, `RateLimit: "a";r=0;t=7`, ""}, answer{200, "", ""})
			c := noJitter(s)
			c.Anticipate = anticipate
			tr := transport(t, c)
			for range 3 {
				_, err := tr.RoundTrip(newRequest("GET", "http://a/", nil))
				require.NoError(t, err)
			}
			want := []time.Duration{0, 0, 0}
			if anticipate {
				want[2] = 7 * time.Second
			}
			require.Equal(t, want, s.at)
		})
	}
}

// When everything is refused, retries are a share of the requests, and a few besides.
//
// Planted: a budget that nothing is taken from; one that requests give nothing to; one that
// is asked for a retry that is not made.
func TestTransportBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send := func(c TransportConfig, status string, requests int) (retries int) {
			s := serve(answer{429, "Retry-After: " + status, ""})
			c.Base, c.Jitter, c.Scope = s, -1, func(*http.Request) string { return "" }
			c.MaxAttempts, c.Seed = 2, 1
			tr := transport(t, c)
			for range requests {
				_, err := tr.RoundTrip(newRequest("GET", "http://a/", nil))
				require.NoError(t, err)
			}
			return len(s.got) - requests
		}
		never := Per(1, 1000*time.Hour)
		require.Equal(t, 10+99, send(TransportConfig{RetryMinimum: never}, "0", 1000)) // the first requests find it full
		require.Equal(t, 10, send(TransportConfig{RetryMinimum: never, RetryPercent: -1}, "0", 1000))
		require.Equal(t, 1000, send(TransportConfig{RetryMinimum: Unlimited}, "0", 1000))
		require.Equal(t, 1000, send(TransportConfig{RetryMinimum: never, RetryPercent: 100}, "0", 1000))
		require.Equal(t, 3+50, send(TransportConfig{RetryMinimum: never, RetryPercent: 5, RetryBurst: 3}, "0", 1001))
		require.Zero(t, send(TransportConfig{RetryMinimum: never}, "99", 50), "who does not retry takes nothing")

		// One a second, in a time in which nothing else gives.
		s := serve(answer{429, "Retry-After: 0", ""})
		tr := transport(t, TransportConfig{Base: s, Jitter: -1, MaxAttempts: 2, RetryPercent: -1, RetryBurst: 1})
		for range 101 {
			_, err := tr.RoundTrip(newRequest("GET", "http://a/", nil))
			require.NoError(t, err)
			<-time.After(100 * time.Millisecond)
		}
		require.Equal(t, 101+11, len(s.got))
	})
}

// With a limiter in front nothing is refused.
func TestTransportLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit, err := Middleware(HTTPConfig{Take: TakeOne(NewTokenBucket(PerSecond(10), 2))})
		require.NoError(t, err)
		refused := 0
		base := handlerTransport(limit(http.NotFoundHandler()), &refused)
		tr := transport(t, TransportConfig{Base: base, Limiter: NewTokenBucket(PerSecond(10), 2)})
		start := time.Now()
		for range 22 {
			_, err := tr.RoundTrip(newRequest("GET", "http://a/", nil))
			require.NoError(t, err)
		}
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Zero(t, refused)

		// Its error is the caller's, at once.
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		r := newRequest("POST", "http://a/", nil).WithContext(ctx)
		body := &closing{Reader: strings.NewReader("x")}
		r.Body = body
		_, err = tr.RoundTrip(r)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.True(t, body.closed)
	})
}

// Who stands in line for the limiter when the gate is closed does not go through it, but waits
// and lines up again: they come one by one, and not all at once when it is opened.
//
// Planted: a gate that is only in front of the limiter; one that is only behind it; a wait at
// the gate that is as long again each time.
func TestTransportGateBehindLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for want, c := range map[string]TransportConfig{
			"[0s 10.1s 11.1s 12.1s 13.1s]": {},
			"[0s 4.1s 5.1s 6.1s]":          {MaxWait: 4 * time.Second}, // the first one is not sent again
		} {
			s := serve(answer{429, "Retry-After: 10", ""}, answer{200, "", ""})
			c.Base = roundTripper(func(r *http.Request) (*http.Response, error) {
				response, err := s.RoundTrip(r)
				<-time.After(100 * time.Millisecond)
				return response, err
			})
			c.Jitter, c.Limiter = -1, NewTokenBucket(PerSecond(1), 1)
			tr := transport(t, c)
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					if _, err := tr.RoundTrip(newRequest("GET", "http://a/", nil)); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			require.Equal(t, want, fmt.Sprint(s.at))
		}
	})
}

// handlerTransport calls a handler, without a network, and counts what is refused.
func handlerTransport(h http.Handler, refused *int) http.RoundTripper {
	var mu sync.Mutex
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		mu.Lock()
		defer mu.Unlock()
		if w.Code == http.StatusTooManyRequests {
			*refused++
		}
		return w.Result(), nil
	})
}

// Both sides of this package: clients that want more than there is all get it, a little
// later, and the server refuses few: a Transport knows when it is of no use to ask.
func TestTransportAndMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit, err := Middleware(HTTPConfig{Take: TakeOne(NewTokenBucket(Per(5, 10*time.Second), 5))})
		require.NoError(t, err)
		refused := 0
		tr := transport(t, TransportConfig{Base: handlerTransport(limit(http.NotFoundHandler()), &refused), MaxAttempts: 100, MaxWait: time.Hour, RetryMinimum: Unlimited})
		start := time.Now()
		var group sync.WaitGroup
		var mu sync.Mutex
		served := 0
		for range 8 {
			group.Go(func() {
				for range 5 {
					response, err := tr.RoundTrip(newRequest("GET", "http://a/", nil))
					mu.Lock()
					if err == nil && response.StatusCode == http.StatusNotFound {
						served++
					}
					mu.Unlock()
				}
			})
		}
		group.Wait()
		require.Equal(t, 40, served)
		require.Less(t, time.Since(start), 110*time.Second)
		t.Logf("%d refused in %v", refused, time.Since(start))
		require.Less(t, refused, 8*8, "at most one in each window for each client")
	})
}

// Jitter makes a wait longer, never shorter, and is the same with the same seed.
func TestTransportJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := func(c TransportConfig) (all []time.Duration) {
			s := serve(answer{429, "Retry-After: 10", ""})
			c.Base, c.MaxAttempts, c.RetryMinimum = s, 20, Unlimited
			_, err := transport(t, c).RoundTrip(newRequest("GET", "http://a/", nil))
			require.NoError(t, err)
			for i := range s.at[1:] {
				wait := s.at[i+1] - s.at[i]
				require.GreaterOrEqual(t, wait, 10*time.Second)
				require.LessOrEqual(t, wait, 11*time.Second)
				all = append(all, wait)
			}
			return all
		}
		require.Equal(t, waits(TransportConfig{Seed: 7}), waits(TransportConfig{Seed: 7}))
		require.NotEqual(t, waits(TransportConfig{Seed: 7}), waits(TransportConfig{Seed: 8}))
		require.NotEqual(t, waits(TransportConfig{}), waits(TransportConfig{}))
	})
}

func TestTransportConfig(t *testing.T) {
	for want, c := range map[string]TransportConfig{
		"a nil Limiter":                                             {Limiter: (*TokenBucket)(nil)},
		"a MaxAttempts of -1":                                       {MaxAttempts: -1},
		"a MaxWait of -1ns: want at most a year":                    {MaxWait: -1},
		"a Backoff of -1ns":                                         {Backoff: -1},
		"a Jitter of 11: want at most 10":                           {Jitter: 11},
		"a Jitter of NaN: want at most 10":                          {Jitter: math.NaN()},
		"a RetryPercent of 10001: want at most 10000":               {RetryPercent: 10001},
		"a RetryBurst of -1: want at most 10^9":                     {RetryBurst: -1},
		"a RetryMinimum of 20000000/1s: want at most 10^7 a second": {RetryMinimum: PerSecond(2e7)},
		"-5 events: want at least 1":                                {RetryMinimum: Limit{-5, 1}},
	} {
		_, err := NewTransport(c)
		require.EqualError(t, err, "ratelimit: NewTransport: "+want)
	}
	tr := transport(t, TransportConfig{MaxWait: 365 * 24 * time.Hour, Backoff: math.MaxInt64, Jitter: 10, RetryPercent: 1e4, RetryBurst: 1e9, RetryMinimum: PerSecond(1e7)})
	require.Positive(t, tr.jitter(tr.config.backoff(math.MaxInt)))
	_, err := tr.RoundTrip(&http.Request{})
	require.Error(t, err, "a request without a URL")
	transport(t, TransportConfig{Base: roundTripper(nil)}).CloseIdleConnections() // which has none

	tr = transport(t, TransportConfig{Backoff: 1, Base: roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 429}, nil
	})})
	response, err := tr.RoundTrip(newRequest("GET", "http://a/", nil))
	require.NoError(t, err, "an answer with neither header nor body")
	require.Equal(t, 429, response.StatusCode)

	down := errors.New("down")
	tr = transport(t, TransportConfig{Base: roundTripper(func(*http.Request) (*http.Response, error) { return nil, down })})
	_, err = tr.RoundTrip(newRequest("GET", "http://a/", nil))
	require.Equal(t, down, err)
}

// Over a network: bodies are sent again, connections are used again.
func TestTransportOverNetwork(t *testing.T) {
	var mu sync.Mutex
	refuse, peers := true, make(map[string]bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		peers[r.RemoteAddr] = true
		if refuse = !refuse; !refuse {
			w.Header().Set("Retry-After", "0")
			http.Error(w, "no", http.StatusTooManyRequests)
			return
		}
		all, _ := io.ReadAll(r.Body) // what is wrong shows in what is sent back
		_, _ = w.Write(all)
	}))
	defer s.Close()
	client := &http.Client{Transport: transport(t, TransportConfig{Base: s.Client().Transport, RetryMinimum: Unlimited})}
	for i := range 5 {
		want := bytes.Repeat([]byte{byte(i)}, 10_000)
		response, err := client.Post(s.URL, "text/plain", bytes.NewReader(want))
		require.NoError(t, err)
		got, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		response.Body.Close()
		require.True(t, bytes.Equal(want, got), "%d bytes", len(got))
	}
	before := len(peers)
	// net/http gives a connection up whose writer it has to wait for, so there may be another.
	require.LessOrEqual(t, before, 2, "one connection, and not one for each refusal")
	client.CloseIdleConnections()
	response, err := client.Get(s.URL)
	require.NoError(t, err)
	response.Body.Close()
	require.Greater(t, len(peers), before, "another one")
}

// An answer that never ends, compressed: net/http waits for its beginning under the lock that
// Close wants, too.
//
// Planted: one that is read.
func TestTransportCompressed(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			_ = http.NewResponseController(w).Flush() // if it cannot, the test hangs
			<-r.Context().Done()
		}
	}))
	defer s.Close()
	client := &http.Client{Transport: transport(t, TransportConfig{Base: s.Client().Transport})}
	response, err := client.Get(s.URL)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// Planted, for the race detector: the gate and the random numbers without their locks.
func TestTransportConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit, err := Middleware(HTTPConfig{Take: TakeOne(NewTokenBucket(PerSecond(50), 5))})
		require.NoError(t, err)
		refused := 0
		tr := transport(t, TransportConfig{Base: handlerTransport(limit(http.NotFoundHandler()), &refused)})
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				for range 50 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*time.Second)
					r := newRequest("GET", fmt.Sprintf("http://%d/", i%3), nil).WithContext(ctx)
					if response, err := tr.RoundTrip(r); err == nil {
						response.Body.Close()
					}
					cancel()
				}
			})
		}
		group.Wait()
	})
}
