package ratelimit_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/plinth-go/plinth/ratelimit"
)

// Two requests a minute are admitted, and the third one is told when to come again.
func ExampleMiddleware() {
	limiter := ratelimit.NewGCRA(ratelimit.Per(2, time.Minute), 2)
	limit, err := ratelimit.Middleware(ratelimit.HTTPConfig{
		Take:     ratelimit.TakeOne(limiter),
		Policies: []ratelimit.Policy{ratelimit.PolicyOf("hello", ratelimit.Per(2, time.Minute), 2)},
		Problem:  true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") }))

	for range 3 {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		fmt.Println(w.Code, w.Header().Get("RateLimit-Policy"), w.Header().Get("RateLimit"), w.Header()["Retry-After"])
	}
	// Output:
	// 200 "hello";q=2;w=60 "hello";r=1;t=30 []
	// 200 "hello";q=2;w=60 "hello";r=0;t=60 []
	// 429 "hello";q=2;w=60 "hello";r=0;t=30 [30]
}

// A burst and a quota: all or nothing, and each has a policy.
func ExampleTakeEachFunc() {
	burst, hourly := ratelimit.Per(1, time.Second), ratelimit.Per(1000, time.Hour)
	limit, err := ratelimit.Middleware(ratelimit.HTTPConfig{
		TakeEach: ratelimit.TakeAll(ratelimit.All(ratelimit.NewTokenBucket(burst, 5), ratelimit.NewTokenBucket(hourly, 1000))),
		Policies: []ratelimit.Policy{ratelimit.PolicyOf("burst", burst, 5), ratelimit.PolicyOf("hourly", hourly, 1000)},
		Cost: func(r *http.Request) int64 { // a search costs as much as four others
			if r.URL.Path == "/search" {
				return 4
			}
			return 1
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := limit(http.NotFoundHandler())

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/search", nil))
	fmt.Println(w.Header().Get("RateLimit-Policy"))
	fmt.Println(w.Header().Get("RateLimit"))
	// Output:
	// "burst";q=5;w=5, "hourly";q=1000;w=3600
	// "burst";r=1;t=4, "hourly";r=996;t=15
}

// What a bucket with a rate and a burst is called in a header.
func ExamplePolicyOf() {
	fmt.Println(ratelimit.PolicyOf("api", ratelimit.Per(100, time.Minute), 200))
	fmt.Println(ratelimit.PolicyOf("api", ratelimit.PerSecond(100), 20))
	// Output:
	// {api 200 2m0s }
	// {api 100 1s }
}
