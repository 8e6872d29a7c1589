package ratelimit

import (
	"context"
	"net/http"
	"reflect"
)

// TakeFunc decides about a request that costs n; 0 takes nothing and asks. key is what the
// KeyFunc says, "" if there is none. TakeOne, TakeKeyed and TakeContext make one of a
// limiter. It must be safe for concurrent use.
type TakeFunc func(r *http.Request, key string, n int64) (Decision, error)

// TakeEachFunc is a TakeFunc for several policies, which takes from all or from none. It
// returns a decision for each policy, in their order, as it is after what was taken has
// been given back. TakeAll makes one. It must be safe for concurrent use.
type TakeEachFunc func(r *http.Request, key string, n int64) ([]Decision, error)

// TakeOne takes from one limiter, for all requests and whatever their key. It panics if
// there is none.
func TakeOne(l Limiter) TakeFunc {
	mustNotBeNil("TakeOne", l)
	return func(_ *http.Request, _ string, n int64) (Decision, error) { return l.Take(n), nil }
}

// TakeKeyed takes from the limiter of the key, such as of a Keyed[string]. It panics if
// there is none.
func TakeKeyed(l interface {
	Take(key string, n int64) Decision
}) TakeFunc {
	mustNotBeNil("TakeKeyed", l)
	return func(_ *http.Request, key string, n int64) (Decision, error) { return l.Take(key, n), nil }
}

// TakeContext takes from the limiter of the key where that may block and fail, such as of
// a Distributed. It panics if there is none.
func TakeContext(l interface {
	Take(ctx context.Context, key string, n int64) (Decision, error)
}) TakeFunc {
	mustNotBeNil("TakeContext", l)
	return func(r *http.Request, key string, n int64) (Decision, error) {
		return l.Take(r.Context(), key, n)
	}
}

// TakeAll takes from several limiters, as Multi does, so that each has a policy: for all
// requests, and whatever their key. It panics if there is none.
func TakeAll(m *Multi) TakeEachFunc {
	mustNotBeNil("TakeAll", m)
	return func(_ *http.Request, _ string, n int64) ([]Decision, error) {
		each := make([]Decision, 0, len(m.limiters))
		sum := m.take(n, func(d Decision) { each = append(each, d) })
		for i, l := range m.limiters {
			if d := &each[i]; n > 0 && d.OK && !sum.OK { // n were given back
				now := l.Take(0)
				d.Remaining, d.ResetAfter = now.Remaining, now.ResetAfter
			}
		}
		return each, nil
	}
}

func mustNotBeNil(what string, l any) {
	if isNil(l) {
		panic("ratelimit: " + what + ": a nil limiter")
	}
}

// isNil reports whether there is no limiter, or a nil pointer to one.
func isNil(l any) bool {
	v := reflect.ValueOf(l)
	return l == nil || v.Kind() == reflect.Pointer && v.IsNil()
}
