package ratelimit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/plinth-go/plinth/ratelimit"
)

// served sends requests through a configuration and prints how they were answered.
func served(config ratelimit.HTTPConfig, requests ...*http.Request) {
	limit, err := ratelimit.Middleware(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, r := range requests {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(r.Method, r.URL.Path, w.Code)
	}
}

func ExampleHTTPConfig() {
	served(ratelimit.HTTPConfig{
		Take: ratelimit.TakeOne(ratelimit.NewTokenBucket(ratelimit.Per(1, time.Minute), 10)),
		Cost: func(r *http.Request) int64 {
			switch {
			case r.URL.Path == "/health":
				return 0 // passes, and is not counted
			case r.Method == http.MethodPost:
				return 8
			}
			return 1
		},
	},
		httptest.NewRequest("POST", "/orders", nil), httptest.NewRequest("POST", "/orders", nil),
		httptest.NewRequest("GET", "/orders", nil), httptest.NewRequest("GET", "/health", nil))
	// Output:
	// POST /orders 200
	// POST /orders 429
	// GET /orders 200
	// GET /health 200
}

func ExampleKeyFunc() {
	byHost := func(r *http.Request) (string, bool) { return r.Host, true }
	users, err := ratelimit.NewKeyed(ratelimit.KeyedConfig[string]{Rate: ratelimit.Per(1, time.Hour), Burst: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	served(ratelimit.HTTPConfig{Take: ratelimit.TakeKeyed(users), Key: byHost},
		httptest.NewRequest("GET", "http://a.example/a", nil), httptest.NewRequest("GET", "http://a.example/a", nil),
		httptest.NewRequest("GET", "http://b.example/b", nil))
	// Output:
	// GET /a 200
	// GET /a 429
	// GET /b 200
}

func ExampleKeyless() {
	served(ratelimit.HTTPConfig{
		Take:    ratelimit.TakeOne(ratelimit.NewTokenBucket(ratelimit.PerSecond(1), 1)),
		Key:     ratelimit.HeaderKey("X-User"),
		Keyless: ratelimit.KeylessRefuse,
	}, httptest.NewRequest("GET", "/", nil))
	// Output: GET / 400
}

func ExampleTakeFunc() {
	closed := func(*http.Request, string, int64) (ratelimit.Decision, error) {
		return ratelimit.Decision{Limit: 1, RetryAfter: time.Minute}, nil
	}
	served(ratelimit.HTTPConfig{Take: closed}, httptest.NewRequest("GET", "/", nil))
	// Output: GET / 429
}

func ExampleAddrConfig() {
	key, err := ratelimit.ClientAddr(ratelimit.AddrConfig{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
		Header:         "Forwarded",
		IPv6Bits:       56,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "192.0.2.1:4711"
	r.Header.Set("Forwarded", `for=6.6.6.6, for="[2001:db8:1:2ff::9]:443"`)
	fmt.Println(key(r))
	// Output: 2001:db8:1:200:: true
}

func ExamplePolicy() {
	p := ratelimit.PolicyOf("search", ratelimit.Per(100, time.Minute), 100)
	fmt.Println(p.Name, p.Quota, p.Window)
	// Output: search 100 1m0s
}

func ExampleTransportConfig() {
	_, err := ratelimit.NewTransport(ratelimit.TransportConfig{MaxAttempts: -1})
	fmt.Println(err)
	transport, err := ratelimit.NewTransport(ratelimit.TransportConfig{MaxAttempts: 5, MaxWait: 10 * time.Second})
	fmt.Println(transport != nil, err)
	// Output:
	// ratelimit: NewTransport: a MaxAttempts of -1
	// true <nil>
}
