package breaker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// roundTrip is a RoundTripper made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func status(code int) roundTrip {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Body: http.NoBody}, nil
	}
}

// closer is a body that knows whether it was closed.
type closer struct {
	io.Reader
	closed atomic.Bool
}

func (c *closer) Close() error {
	c.closed.Store(true)
	return nil
}

func mustTransport(t testing.TB, c TransportConfig) *Transport {
	t.Helper()
	transport, err := NewTransport(c)
	require.NoError(t, err)
	return transport
}

// once makes breakers that open at the first failure, for 90 s.
func once(t testing.TB) *Keyed[string] {
	return mustKeyed(t, KeyedConfig[string]{MaxKeys: 2, Make: func(key string) Config {
		if key == "bad" {
			return Config{Probes: -1}
		}
		return Config{Name: key, Trip: ConsecutiveFailures(1), OpenFor: 90 * time.Second, Jitter: NoJitter}
	}})
}

func get(t testing.TB, address string) *http.Request {
	t.Helper()
	return httptest.NewRequest("GET", address, nil).WithContext(t.Context())
}

// TestTransportClient: a refusal comes through http.Client, for the host that fails and for no
// other, and the server does not hear of it.
func TestTransportClient(t *testing.T) {
	var asked atomic.Int64
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.WriteHeader(map[string]int{"/down": 503}[r.URL.Path] + map[string]int{"/": 200}[r.URL.Path])
	})
	one, two := httptest.NewServer(handler), httptest.NewServer(handler)
	defer one.Close()
	defer two.Close()
	client := &http.Client{Transport: mustTransport(t, TransportConfig{Breakers: once(t)}), Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()

	response, err := client.Get(one.URL + "/down")
	require.NoError(t, err, "the answer is the caller's")
	require.Equal(t, 503, response.StatusCode)
	require.NoError(t, response.Body.Close())

	_, err = client.Get(one.URL + "/")
	var wrapped *url.Error
	require.ErrorAs(t, err, &wrapped)
	var open *OpenError
	require.ErrorAs(t, err, &open)
	require.ErrorIs(t, err, ErrOpen)
	require.Equal(t, Open, open.State())
	require.Greater(t, open.RetryAfter(), time.Minute)
	require.EqualValues(t, 1, asked.Load())

	response, err = client.Get(two.URL + "/")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())

	address := one.URL
	one.Close()
	two.Close()
	_, err = client.Get(address)
	require.ErrorIs(t, err, ErrOpen)
	_, err = client.Get(two.URL)
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrOpen)
	_, err = client.Get(two.URL)
	require.ErrorIs(t, err, ErrOpen, "nobody listens: that is a failure")
}

// TestTransportOutcome: what counts as what.
//
// Planted and caught: 501 is a failure; 600 is; a cancellation is, or is if it has a cause of its own; what
// comes after it is ignored, too; no response and no error is a success.
func TestTransportOutcome(t *testing.T) {
	gone := func(parent context.Context) context.Context {
		ctx, cancel := context.WithCancelCause(parent)
		cancel(errDown)
		return ctx
	}
	late := func(parent context.Context) context.Context {
		ctx, cancel := context.WithDeadline(parent, time.Now().Add(-time.Second))
		cancel()
		return ctx
	}
	here := func(parent context.Context) context.Context { return parent }
	for _, c := range []struct {
		ctx    func(context.Context) context.Context
		status int
		err    error
		want   Outcome
	}{
		{here, 101, nil, Success}, {here, 200, nil, Success}, {here, 302, nil, Success}, {here, 404, nil, Success},
		{here, 429, nil, Success}, {here, 499, nil, Success}, {here, 600, nil, Success}, {here, 501, nil, Success},
		{here, 500, nil, Failure}, {here, 502, nil, Failure}, {here, 503, nil, Failure}, {here, 504, nil, Failure},
		{here, 599, nil, Failure}, {here, 0, nil, Failure}, {here, 0, errDown, Failure}, {here, 200, errDown, Failure},
		{here, 0, context.Canceled, Failure}, {here, 0, context.DeadlineExceeded, Failure},
		{gone, 0, context.Canceled, Ignore}, {gone, 0, errDown, Ignore}, {gone, 500, nil, Failure}, {gone, 200, nil, Success},
		{late, 0, context.DeadlineExceeded, Failure},
	} {
		var response *http.Response
		if c.status > 0 {
			response = &http.Response{StatusCode: c.status}
		}
		r := get(t, "http://a/")
		r = r.WithContext(c.ctx(r.Context()))
		require.Equal(t, c.want, ResponseOutcome(r, response, c.err), "%+v", c)
	}
	seen := 0
	transport := mustTransport(t, TransportConfig{Breakers: once(t), Next: status(429),
		Outcome: func(r *http.Request, response *http.Response, err error) Outcome {
			seen++
			if response.StatusCode == 429 {
				return Failure
			}
			return ResponseOutcome(r, response, err)
		}})
	_, err := transport.RoundTrip(get(t, "http://a/"))
	require.NoError(t, err)
	_, err = transport.RoundTrip(get(t, "http://a/"))
	require.ErrorIs(t, err, ErrOpen)
	require.Equal(t, 1, seen)
}

// TestTransportBehindTransport: what the one behind refuses says nothing to the one in front, which
// would be open longer than that otherwise.
func TestTransportBehindTransport(t *testing.T) {
	front, behind := once(t), once(t)
	behind.must(t, "a").ForceOpen()
	transport := mustTransport(t, TransportConfig{
		Breakers: front, Next: mustTransport(t, TransportConfig{Breakers: behind, Next: status(200)}),
	})
	_, err := transport.RoundTrip(get(t, "http://a/"))
	require.ErrorIs(t, err, ErrOpen)
	require.Equal(t, Closed, front.must(t, "a").State())
	behind.must(t, "a").Reset()
	_, err = transport.RoundTrip(get(t, "http://a/"))
	require.NoError(t, err)
}

// TestTransportBody: a request that is not sent has its body closed, and one that is sent has not,
// as that is Next's. Planted and caught: it is not closed.
func TestTransportBody(t *testing.T) {
	send := func(transport *Transport, r *http.Request) (closed bool, err error) {
		body := &closer{Reader: strings.NewReader("x")}
		r.Body = body
		_, err = transport.RoundTrip(r)
		return body.closed.Load(), err
	}
	breakers := once(t)
	transport := mustTransport(t, TransportConfig{Breakers: breakers, Next: status(500)})
	closed, err := send(transport, get(t, "http://a/"))
	require.NoError(t, err)
	require.False(t, closed)
	closed, err = send(transport, get(t, "http://a/"))
	require.ErrorIs(t, err, ErrOpen)
	require.True(t, closed)
	closed, err = send(transport, get(t, "http://bad/"))
	require.EqualError(t, err, `breaker: Keyed: Make of "bad": breaker: New: -1 Probes: want 1 to 65536`)
	require.True(t, closed)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	closed, err = send(transport, get(t, "http://b/").WithContext(ctx))
	require.Equal(t, context.Canceled, err)
	require.True(t, closed)
	_, err = transport.RoundTrip(get(t, "http://a/"))
	require.ErrorIs(t, err, ErrOpen, "and if there is none that is all right")
}

// TestTransportKey: by host and port, in small letters; or as one likes; and "" passes.
func TestTransportKey(t *testing.T) {
	var sent []string
	next := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL != nil {
			sent = append(sent, r.URL.Host)
		}
		return nil, errDown
	})
	transport := mustTransport(t, TransportConfig{Breakers: once(t), Next: next})
	for i, address := range []string{"http://a/", "http://A/", "http://a:80/", "http://a/x"} {
		_, err := transport.RoundTrip(get(t, address))
		require.ErrorIs(t, err, []error{errDown, ErrOpen, errDown, ErrOpen}[i], address)
	}
	require.Equal(t, []string{"a", "a:80"}, sent)
	for range 3 {
		_, err := transport.RoundTrip((&http.Request{}).WithContext(t.Context()))
		require.Equal(t, errDown, err, "it is for Next to say that there is no host")
	}
	transport = mustTransport(t, TransportConfig{Next: next, Breakers: once(t),
		Key: func(r *http.Request) string { return r.Header.Get("Shard") }})
	for range 3 {
		_, err := transport.RoundTrip(get(t, "http://a/"))
		require.Equal(t, errDown, err)
	}
	r := get(t, "http://a/")
	r.Header.Set("Shard", "1")
	for _, want := range []error{errDown, ErrOpen} {
		_, err := transport.RoundTrip(r)
		require.ErrorIs(t, err, want)
	}
}

// TestTransportNoRoom: an error, or sent uncounted.
func TestTransportNoRoom(t *testing.T) {
	breakers := once(t)
	breakers.must(t, "a").ForceOpen()
	breakers.must(t, "b").ForceOpen()
	_, err := mustTransport(t, TransportConfig{Breakers: breakers, Next: status(200)}).RoundTrip(get(t, "http://c/"))
	require.Equal(t, ErrNoRoom, err)
	open := mustTransport(t, TransportConfig{Breakers: breakers, Next: status(200), FailOpen: true})
	for _, host := range []string{"c", "bad"} {
		response, err := open.RoundTrip(get(t, "http://"+host+"/"))
		require.NoError(t, err)
		require.Equal(t, 200, response.StatusCode)
	}
	_, err = open.RoundTrip(get(t, "http://a/"))
	require.ErrorIs(t, err, ErrOpen, "there is one that is open: that is no failure of ours")
}

// TestTransportPanics: whatever ends a request gives back what it holds. Planted and caught: the permit
// is done only if Next returns.
func TestTransportPanics(t *testing.T) {
	for name, next := range map[string]roundTrip{
		"panic":  func(*http.Request) (*http.Response, error) { panic("next") },
		"goexit": func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil },
	} {
		breakers := once(t)
		transport := mustTransport(t, TransportConfig{Breakers: breakers, Next: next})
		var all sync.WaitGroup
		all.Go(func() {
			defer func() { _ = recover() }()
			_, _ = transport.RoundTrip(get(t, "http://a/"))
		})
		all.Wait()
		require.Equal(t, Open, breakers.must(t, "a").State(), name)
	}
	breakers := once(t)
	transport := mustTransport(t, TransportConfig{Breakers: breakers, Next: status(200),
		Outcome: func(*http.Request, *http.Response, error) Outcome { panic("outcome") }})
	require.PanicsWithValue(t, "outcome", func() { _, _ = transport.RoundTrip(get(t, "http://a/")) })
	require.Equal(t, Open, breakers.must(t, "a").State())
}

// TestTransportProbe: a request whose caller goes away frees its slot, and it is over when the
// header is there, though its body is not.
func TestTransportProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breakers := once(t)
		next := status(500)
		transport := mustTransport(t, TransportConfig{Breakers: breakers, Next: roundTrip(func(r *http.Request) (*http.Response, error) { return next(r) })})
		_, err := transport.RoundTrip(get(t, "http://a/"))
		require.NoError(t, err)
		<-time.After(90 * time.Second)
		next = func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		}
		for range 3 {
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				synctest.Wait()
				cancel(errors.New("no longer needed"))
			}()
			_, err = transport.RoundTrip(get(t, "http://a/").WithContext(ctx))
			require.EqualError(t, err, "no longer needed")
			require.Equal(t, HalfOpen, breakers.must(t, "a").State())
		}
		body, writer := io.Pipe()
		defer writer.Close()
		next = func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200, Body: body}, nil }
		response, err := transport.RoundTrip(get(t, "http://a/"))
		require.NoError(t, err)
		require.Equal(t, Closed, breakers.must(t, "a").State())
		require.NoError(t, response.Body.Close())
		next = func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = transport.RoundTrip(get(t, "http://a/").WithContext(ctx))
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, Open, breakers.must(t, "a").State())
		breakers.must(t, "a").Reset()
		_, err = transport.RoundTrip(get(t, "http://a/").WithContext(ctx))
		require.Equal(t, context.DeadlineExceeded, err)
		require.Equal(t, Closed, breakers.must(t, "a").State(), "it was not sent")
	})
}

// TestTransportDefaults: the zero TransportConfig works, and closes idle connections.
func TestTransportDefaults(t *testing.T) {
	transport := mustTransport(t, TransportConfig{})
	require.Equal(t, http.DefaultTransport, transport.config.Next)
	require.Equal(t, time.Hour, transport.config.Breakers.forgetAfter)
	next := &idler{}
	mustTransport(t, TransportConfig{Next: next}).CloseIdleConnections()
	require.Equal(t, 1, next.closed)
	mustTransport(t, TransportConfig{Next: status(200)}).CloseIdleConnections() // has none
}

type idler struct {
	http.RoundTripper
	closed int
}

func (i *idler) CloseIdleConnections() { i.closed++ }

// cancelling returns a request whose context can be cancelled.
func cancelling(r *http.Request) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	return r.WithContext(ctx), cancel
}
