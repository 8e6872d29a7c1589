package breaker

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Guard stands in front of a call: it lets it through, holds it up, repeats it, or refuses
// it. All of this package are safe for concurrent use, and Chain puts several in a row.
//
// Run calls f with ctx or with a context that ends with it, at most as often as the guard
// says, under no lock. It returns nil if f did. A refusal wraps a sentinel of this package.
// A panic in f, or a runtime.Goexit, gives back what the guard holds, and goes on.
type Guard interface {
	Run(ctx context.Context, f func(context.Context) error) error
}

// refusal is the type of the sentinels for "not now, there is too much", by which a guard says that it
// has called nobody. The default of Retryable knows them: who sheds load is not helped by the same
// load once more. Classify knows them, too: they say nothing about who was not called.
type refusal string

func (r refusal) Error() string { return string(r) }

// Is makes each refusal one of errRefusal: errors.As could find them as well, but it allocates.
func (r refusal) Is(target error) bool { return target == errRefusal }

var errRefusal error = refusal("breaker: refused")

func refused(err error) bool { return errors.Is(err, errRefusal) }

// Call runs f behind a guard and returns its result: that of a try that returned no error, if the
// guard returns none, and otherwise the zero T and the guard's error. A guard that returns nil
// and did not call f gives the zero T as well.
//
// It is for guards of any kind, also for those that have several tries under way at once, or
// that return while one is (Hedge, NewAbandon). Each has a result of its own, which is
// copied under a lock. If several succeed, one result is returned, whole, and the others are
// dropped: a T that must be closed is not for a guard that repeats what has succeeded. Nor
// may it need the context that f was given, which may have ended by now.
//
// It is as safe for concurrent use as f is. It panics if the guard, or f, is nil. Cost: one lock,
// and two small allocations.
func Call[T any](ctx context.Context, g Guard, f func(context.Context) (T, error)) (T, error) {
	switch {
	case nilGuard(g):
		panic(fmt.Sprintf("breaker: Call: a nil Guard: %T", g))
	case f == nil:
		panic("breaker: Call: a nil function")
	}
	var r result[T]
	err := g.Run(ctx, func(ctx context.Context) error {
		value, err := f(ctx)
		if err == nil {
			r.set(value)
		}
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return r.get()
}

// result is where tries put what they return. The last one before get counts: a guard that
// repeats a success did so because it had not liked it.
type result[T any] struct {
	mu    sync.Mutex
	value T // guarded by mu
}

func (r *result[T]) set(value T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.value = value
}

func (r *result[T]) get() (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.value, nil
}
