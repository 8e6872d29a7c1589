package ratelimit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// blank is a ResponseWriter that costs nothing.
type blank struct{ header http.Header }

func (b blank) Header() http.Header         { return b.header }
func (b blank) Write(p []byte) (int, error) { return len(p), nil }
func (b blank) WriteHeader(int)             {}

func BenchmarkServe(b *testing.B) {
	bare := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	limited := func(c HTTPConfig) http.Handler {
		m, err := Middleware(c)
		if err != nil {
			b.Fatal(err)
		}
		return m(bare)
	}
	key, err := ClientAddr(AddrConfig{TrustedProxies: prefixes("10.0.0.0/8")})
	if err != nil {
		b.Fatal(err)
	}
	yes, no := NewTokenBucket(PerSecond(1e9), 1<<40), NewTokenBucket(Per(1, time.Hour), 1)
	no.Allow()
	policies := []Policy{PolicyOf("default", Per(100, time.Minute), 100)}
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{
		{"impl=bare/case=admitted", bare},
		{"impl=plinth/case=quiet", limited(HTTPConfig{Take: TakeOne(yes), Quiet: true})},
		{"impl=plinth/case=admitted", limited(HTTPConfig{Take: TakeOne(yes), Policies: policies})},
		{"impl=plinth/case=address", limited(HTTPConfig{Take: TakeOne(yes), Policies: policies, Key: key})},
		{"impl=plinth/case=refused", limited(HTTPConfig{Take: TakeOne(no), Policies: policies})},
		{"impl=plinth/case=problem", limited(HTTPConfig{Take: TakeOne(no), Policies: policies, Problem: true})},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := from("10.0.0.1:4711", "X-Forwarded-For", "6.6.6.6, 203.0.113.9, 10.0.0.2")
			w := blank{make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				c.handler.ServeHTTP(w, r)
			}
		})
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	answer := httptest.NewRecorder().Result()
	bare := roundTripper(func(*http.Request) (*http.Response, error) { return answer, nil })
	limited := func(c TransportConfig) http.RoundTripper {
		c.Base = bare
		t, err := NewTransport(c)
		if err != nil {
			b.Fatal(err)
		}
		return t
	}
	for _, c := range []struct {
		name      string
		transport http.RoundTripper
	}{
		{"impl=bare/case=admitted", bare},
		{"impl=plinth/case=admitted", limited(TransportConfig{})},
		{"impl=plinth/case=limiter", limited(TransportConfig{Limiter: NewTokenBucket(PerSecond(1e9), 1<<40)})},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newRequest("GET", "http://example.com/", nil)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.transport.RoundTrip(r)
			}
		})
	}
}

// What it costs to close a gate if so many others are closed, as when a client asks many hosts.
func BenchmarkGate(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("impl=plinth/case=close/n=%d", n), func(b *testing.B) {
			var g gate
			scopes := make([]string, n)
			for i := range scopes {
				scopes[i] = fmt.Sprint(i)
				g.close(scopes[i], time.Hour)
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				g.close(scopes[i%n], time.Hour)
				i++
			}
		})
	}
}
