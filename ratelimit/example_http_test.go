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
