package ratelimit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// buckets is a keyed limiter as TakeKeyed wants one.
type buckets struct {
	mu    sync.Mutex
	burst int64
	of    map[string]*TokenBucket
}

func (b *buckets) Take(key string, n int64) Decision {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = make(map[string]*TokenBucket)
	}
	if b.of[key] == nil {
		b.of[key] = NewTokenBucket(Per(1, time.Minute), b.burst)
	}
	return b.of[key].Take(n)
}

// remote is one as TakeContext wants it.
type remote func(ctx context.Context, key string, n int64) (Decision, error)

func (f remote) Take(ctx context.Context, key string, n int64) (Decision, error) {
	return f(ctx, key, n)
}

func request(method, key string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	if key != "" {
		r.Header.Set("X-Key", key)
	}
	return r
}

// Planted: Peek that takes; a key "" that is a key like others; Keyless without effect; a
// decision of TakeAll as it was before something was given back.
func TestMiddleware(t *testing.T) {
	type step struct {
		request *http.Request
		status  int
		left    string // RateLimit
	}
	get := request
	const ok, no, bad, broken, down = http.StatusNoContent, http.StatusTooManyRequests, http.StatusBadRequest,
		http.StatusInternalServerError, http.StatusServiceUnavailable
	perMethod := func(r *http.Request) int64 {
		return map[string]int64{"GET": 1, "POST": 2, "HEAD": 0, "PUT": -1, "DELETE": 9}[r.Method]
	}
	for name, c := range map[string]struct {
		config HTTPConfig
		steps  []step
	}{
		"one limiter": {HTTPConfig{Take: TakeOne(NewTokenBucket(Per(1, time.Minute), 2))}, []step{
			{get("GET", "a"), ok, `"default";r=1;t=60`}, {get("GET", "b"), ok, `"default";r=0;t=120`}, {get("GET", ""), no, `"default";r=0;t=60`},
		}},
		"keys share what has none": {HTTPConfig{Take: TakeKeyed(&buckets{burst: 1}), Key: HeaderKey("X-Key")}, []step{
			{get("GET", "a"), ok, `"default";r=0;t=60`}, {get("GET", "b"), ok, `"default";r=0;t=60`}, {get("GET", "a"), no, `"default";r=0;t=60`},
			{get("GET", ""), ok, `"default";r=0;t=60`}, {get("GET", ""), no, `"default";r=0;t=60`},
		}},
		"keys refuse what has none": {HTTPConfig{Take: TakeKeyed(&buckets{burst: 1}), Key: HeaderKey("X-Key"), Keyless: KeylessRefuse}, []step{
			{get("GET", ""), bad, ""}, {get("GET", "a"), ok, `"default";r=0;t=60`},
		}},
		"keys pass what has none": {HTTPConfig{Take: TakeKeyed(&buckets{burst: 1}), Key: HeaderKey("X-Key"), Keyless: KeylessPass}, []step{
			{get("GET", ""), ok, ""}, {get("GET", ""), ok, ""}, {get("GET", "a"), ok, `"default";r=0;t=60`}, {get("GET", "a"), no, `"default";r=0;t=60`},
		}},
		"an empty key is none": {HTTPConfig{Take: TakeKeyed(&buckets{burst: 1}), Keyless: KeylessRefuse,
			Key: func(*http.Request) (string, bool) { return "", true }}, []step{{get("GET", ""), bad, ""}}},
		"cost": {HTTPConfig{Take: TakeOne(NewTokenBucket(Per(1, time.Minute), 4)), Cost: perMethod, OnError: func(*http.Request, error) {}}, []step{
			{get("POST", ""), ok, `"default";r=2;t=120`}, {get("HEAD", ""), ok, ""}, {get("GET", ""), ok, `"default";r=1;t=180`},
			{get("POST", ""), no, `"default";r=1;t=60`}, {get("PUT", ""), broken, ""}, {get("GET", ""), ok, `"default";r=0;t=240`},
			{get("DELETE", ""), no, `"default";r=0`}, {get("HEAD", ""), ok, ""},
		}},
		"peek": {HTTPConfig{Take: TakeOne(NewTokenBucket(Per(1, time.Minute), 1)), Peek: true, Cost: func(*http.Request) int64 { return 7 }}, []step{
			{get("GET", ""), ok, `"default";r=1;t=0`}, {get("GET", ""), ok, `"default";r=1;t=0`},
		}},
		"quiet": {HTTPConfig{Take: TakeOne(NewTokenBucket(Per(1, time.Minute), 1)), Quiet: true}, []step{{get("GET", ""), ok, ""}, {get("GET", ""), no, ""}}},
		"open": {HTTPConfig{Take: TakeContext(remote(func(context.Context, string, int64) (Decision, error) { return Decision{}, errors.New("down") })),
			FailOpen: true, OnError: func(*http.Request, error) {}}, []step{{get("GET", ""), ok, ""}}},
		"closed": {HTTPConfig{Take: TakeContext(remote(func(context.Context, string, int64) (Decision, error) { return Decision{}, errors.New("down") })),
			OnError: func(*http.Request, error) {}}, []step{{get("GET", ""), down, ""}}},
		"all or nothing": {HTTPConfig{TakeEach: TakeAll(All(NewTokenBucket(Per(1, time.Second), 1), NewTokenBucket(Per(1, time.Minute), 3))),
			Policies: []Policy{{Name: "a"}, {Name: "b"}}}, []step{
			{get("GET", ""), ok, `"a";r=0;t=1, "b";r=2;t=60`}, {get("GET", ""), no, `"a";r=0;t=1, "b";r=2;t=1`}, {get("GET", ""), no, `"a";r=0;t=1, "b";r=2;t=1`},
		}},
		"what is given back is there again": {HTTPConfig{TakeEach: TakeAll(All(NewTokenBucket(Per(1, time.Hour), 1), NewTokenBucket(Per(1, time.Minute), 3))),
			Policies: []Policy{{Name: "a"}, {Name: "b"}}}, []step{
			{get("GET", ""), ok, `"a";r=0;t=3600, "b";r=2;t=60`}, {get("GET", ""), no, `"a";r=0;t=3600, "b";r=2;t=60`},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // time stands still, and so do the buckets
				m, err := Middleware(c.config)
				require.NoError(t, err)
				passed := 0
				h := m(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { passed++; w.WriteHeader(ok) }))
				for i, s := range c.steps {
					w, before := httptest.NewRecorder(), passed
					h.ServeHTTP(w, s.request)
					require.Equal(t, s.status, w.Code, "step %d", i)
					require.Equal(t, s.left, w.Header().Get("RateLimit"), "step %d", i)
					require.Equal(t, s.status == ok, passed == before+1, "step %d: the handler is called if it is admitted", i)
					checkFields(t, w.Header())
				}
			})
		})
	}
}

func TestMiddlewarePeekRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewTokenBucket(Per(1, time.Minute), 1)
		c := HTTPConfig{Take: TakeOne(b), Peek: true}
		require.Equal(t, http.StatusNoContent, ask(t, c, request("GET", "")).Code)
		require.True(t, b.Allow(), "asking took nothing")
		w := ask(t, c, request("GET", ""))
		require.Equal(t, http.StatusTooManyRequests, w.Code)
		require.Equal(t, "60", w.Header().Get("Retry-After"))
	})
}

func TestMiddlewareAnswers(t *testing.T) {
	no := Decision{Limit: 10, RetryAfter: time.Minute, ResetAfter: 10 * time.Minute}
	w := ask(t, HTTPConfig{Take: says(no)}, request("GET", ""))
	require.Equal(t, "Too Many Requests\n", w.Body.String())

	yes := Decision{OK: true, Limit: 5, Remaining: 4, ResetAfter: time.Second}
	w = ask(t, HTTPConfig{
		TakeEach: func(*http.Request, string, int64) ([]Decision, error) { return []Decision{no, yes, no}, nil },
		Policies: []Policy{{Name: "daily"}, {Name: "burst"}, {Name: "bandwidth"}}, Problem: true,
	}, request("GET", ""))
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	var problem map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &problem))
	require.Equal(t, map[string]any{
		"type":              "https://iana.org/assignments/http-problem-types#quota-exceeded",
		"title":             "Request cannot be satisfied as assigned quota has been exceeded",
		"status":            429.0,
		"violated-policies": []any{"daily", "bandwidth"},
	}, problem)

	w = ask(t, HTTPConfig{Take: says(no), Legacy: true}, request("GET", ""))
	require.Equal(t, []string{"10", "0", "60"}, []string{
		w.Header().Get("X-RateLimit-Limit"), w.Header().Get("X-RateLimit-Remaining"), w.Header().Get("X-RateLimit-Reset")})
	w = ask(t, HTTPConfig{Take: says(yes), Legacy: true}, request("GET", ""))
	require.Equal(t, []string{"5", "4", "1"}, []string{
		w.Header().Get("X-RateLimit-Limit"), w.Header().Get("X-RateLimit-Remaining"), w.Header().Get("X-RateLimit-Reset")})

	w = ask(t, HTTPConfig{Take: says(no), Refuse: func(w http.ResponseWriter, _ *http.Request, d Decision) {
		require.Equal(t, "60", w.Header().Get("Retry-After"))
		http.Error(w, fmt.Sprint("in ", d.RetryAfter), http.StatusTeapot)
	}}, request("GET", ""))
	require.Equal(t, http.StatusTeapot, w.Code)
	require.Equal(t, "in 1m0s\n", w.Body.String())
}

func TestMiddlewareErrors(t *testing.T) {
	down := errors.New("down")
	var got []error
	c := HTTPConfig{
		Take:    func(*http.Request, string, int64) (Decision, error) { return Decision{OK: true}, down },
		OnError: func(_ *http.Request, err error) { got = append(got, err) },
	}
	require.Equal(t, http.StatusServiceUnavailable, ask(t, c, request("GET", "")).Code)
	require.Equal(t, []error{down}, got)

	c.Take, c.Policies = nil, []Policy{{Name: "a"}, {Name: "b"}}
	c.TakeEach = func(*http.Request, string, int64) ([]Decision, error) { return []Decision{{OK: true}}, nil }
	require.Equal(t, http.StatusServiceUnavailable, ask(t, c, request("GET", "")).Code)
	require.EqualError(t, got[1], "ratelimit: Middleware: 1 decisions for 2 policies")

	// A client that has gone neither passes nor fills the log; a deadline that passed may.
	c = HTTPConfig{
		Take:    func(r *http.Request, _ string, _ int64) (Decision, error) { return Decision{}, r.Context().Err() },
		OnError: c.OnError, FailOpen: true,
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	require.Equal(t, http.StatusServiceUnavailable, ask(t, c, request("GET", "").WithContext(gone)).Code)
	require.Len(t, got, 2)
	late, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	require.Equal(t, http.StatusNoContent, ask(t, c, request("GET", "").WithContext(late)).Code)
	require.Equal(t, context.DeadlineExceeded, got[2])

	// Without OnError they are logged.
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	ask(t, HTTPConfig{Take: func(*http.Request, string, int64) (Decision, error) { return Decision{}, down }}, request("GET", ""))
	require.Contains(t, log.String(), `level=WARN msg="rate limiter failed" error=down`)
}

func TestMiddlewareConfig(t *testing.T) {
	take := says(Decision{OK: true})
	each := func(*http.Request, string, int64) ([]Decision, error) { return nil, nil }
	for want, c := range map[string]HTTPConfig{
		"neither Take nor TakeEach":                                 {},
		"both Take and TakeEach":                                    {Take: take, TakeEach: each},
		"2 policies for Take, which has one decision: use TakeEach": {Take: take, Policies: []Policy{{Name: "a"}, {Name: "b"}}},
		"no policies for TakeEach":                                  {TakeEach: each},
		`two policies with the name "a"`:                            {TakeEach: each, Policies: []Policy{{Name: "a"}, {Name: "a"}}},
		"a Keyless of 3: want one of the constants":                 {Take: take, Keyless: 3, Key: HeaderKey("a")},
		"a Keyless without a Key":                                   {Take: take, Keyless: KeylessPass},
		"both Refuse and Problem":                                   {Take: take, Problem: true, Refuse: func(http.ResponseWriter, *http.Request, Decision) {}},
		"a policy without a name":                                   {Take: take, Policies: []Policy{{}}},
		`policy "é": a name is of printable ASCII`:                  {Take: take, Policies: []Policy{{Name: "é"}}},
		`policy "a": unit "\n": want printable ASCII`:               {Take: take, Policies: []Policy{{Name: "a", Unit: "\n"}}},
		`policy "a": quota of -1`:                                   {Take: take, Policies: []Policy{{Name: "a", Quota: -1}}},
		`policy "a": window of 1.5s: want whole seconds`:            {Take: take, Policies: []Policy{{Name: "a", Window: 1500 * time.Millisecond}}},
		`policy "a": window of -1s: want whole seconds`:             {Take: take, Policies: []Policy{{Name: "a", Window: -time.Second}}},
	} {
		_, err := Middleware(c)
		require.EqualError(t, err, "ratelimit: Middleware: "+want)
	}
	m, err := Middleware(HTTPConfig{Take: take})
	require.NoError(t, err)
	require.PanicsWithValue(t, "ratelimit: Middleware: a nil handler", func() { m(nil) })
	require.PanicsWithValue(t, "ratelimit: TakeOne: a nil limiter", func() { TakeOne(nil) })
	require.PanicsWithValue(t, "ratelimit: TakeOne: a nil limiter", func() { TakeOne((*TokenBucket)(nil)) })
	require.PanicsWithValue(t, "ratelimit: TakeKeyed: a nil limiter", func() { TakeKeyed(nil) })
	require.PanicsWithValue(t, "ratelimit: TakeContext: a nil limiter", func() { TakeContext(nil) })
	require.PanicsWithValue(t, "ratelimit: TakeAll: a nil limiter", func() { TakeAll(nil) })

	policies := []Policy{{Name: "mine"}}
	m, err = Middleware(HTTPConfig{Take: take, Policies: policies})
	require.NoError(t, err)
	policies[0].Name = "yours"
	w := httptest.NewRecorder()
	m(http.NotFoundHandler()).ServeHTTP(w, request("GET", ""))
	require.Equal(t, `"mine";q=0`, w.Header().Get("RateLimit-Policy"), "it has a copy")
}

// Two middlewares tell of two policies, in two lines of the same list.
func TestMiddlewareNested(t *testing.T) {
	outer, err := Middleware(HTTPConfig{Take: says(Decision{OK: true, Limit: 9, Remaining: 8}), Policies: []Policy{{Name: "outer"}}})
	require.NoError(t, err)
	inner, err := Middleware(HTTPConfig{Take: says(Decision{Limit: 5, RetryAfter: time.Second}), Policies: []Policy{{Name: "inner"}}})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	outer(inner(http.NotFoundHandler())).ServeHTTP(w, request("GET", ""))
	require.Equal(t, http.StatusTooManyRequests, w.Code)
	require.Equal(t, []string{`"outer";r=8;t=0`, `"inner";r=0;t=1`}, w.Header().Values("RateLimit"))
}

// A queue makes requests wait, and those whose client does not are not served.
//
// Planted: a wait beyond the deadline; a wait that does not end with the context.
func TestMiddlewareDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := HTTPConfig{Take: TakeOne(NewLeakyQueue(PerSecond(1), 3, 0))}
		start := time.Now()
		for range 3 {
			require.Equal(t, http.StatusNoContent, ask(t, c, request("GET", "")).Code)
		}
		require.Equal(t, 2*time.Second, time.Since(start))
		ctx, cancel := context.WithTimeout(context.Background(), 999*time.Millisecond)
		defer cancel()
		require.Equal(t, http.StatusServiceUnavailable, ask(t, c, request("GET", "").WithContext(ctx)).Code)
		require.Equal(t, 2*time.Second, time.Since(start), "at once")
		ctx, cancel = context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond, cancel)
		require.Equal(t, http.StatusServiceUnavailable, ask(t, c, request("GET", "").WithContext(ctx)).Code)
		require.Equal(t, 2*time.Second+time.Millisecond, time.Since(start))
	})
}

// The handler gets the ResponseWriter itself, so that it can do what it could.
func TestMiddlewareDoesNotWrap(t *testing.T) {
	m, err := Middleware(HTTPConfig{Take: says(Decision{OK: true})})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	var got http.ResponseWriter
	m(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got = w })).ServeHTTP(w, request("GET", ""))
	require.Same(t, w, got)

	server := httptest.NewServer(m(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		control := http.NewResponseController(w)
		if err := control.Flush(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		connection, _, err := control.Hijack()
		if err == nil {
			connection.Close()
		}
	})))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
}

// As many as the burst are admitted, by a server that is asked from all sides.
func TestMiddlewareConcurrent(t *testing.T) {
	m, err := Middleware(HTTPConfig{Take: TakeKeyed(&buckets{burst: 20}), Key: HeaderKey("X-Key"), Legacy: true})
	require.NoError(t, err)
	var passed, refused atomic.Int64
	h := m(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed.Add(1) }))
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 25 {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, request("GET", fmt.Sprint(i%2)))
				if w.Code == http.StatusTooManyRequests {
					refused.Add(1)
				}
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 2*20, passed.Load())
	require.EqualValues(t, 8*25-2*20, refused.Load())
}
