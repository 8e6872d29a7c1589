package breaker

import (
	"context"
	"fmt"
	"reflect"
	"slices"
)

// Chain returns a Guard that runs f behind all of these, the first outermost. It panics if
// one is nil, and says which. Without guards it calls f, unless ctx has ended. It is safe for
// concurrent use if the guards are; all of this package are.
//
// They belong in this order. Leave out what you do not need:
//
//	Timeout                      of the whole call: what the caller will wait for
//	 └ Hedge                     another try when one is slow
//	    └ Retry (Budget)         another try when one has failed
//	       └ Breaker, Throttle   is it worth trying at all?
//	          └ Bulkhead,        is there room for it now?
//	          │ Adaptive
//	             └ Timeout       of one try: less than that of the whole
//	                └ f
//
// The rule is that what repeats stands outside of what counts, and what waits outside of what
// holds. In other orders:
//
//	Timeout inside Retry alone      bounds a try. The caller waits Attempts times as long,
//	                                and for the waits between.
//	Retry inside Breaker            n failures count as one, so that it opens n times as late;
//	                                and it goes on behind a breaker that has opened meanwhile.
//	Retry inside Bulkhead           holds a slot while it waits, so that a bulkhead is full of
//	                                calls that do nothing.
//	Hedge inside Breaker, Bulkhead  the same: tries that nobody counts, and two in one slot.
//	Retry without a Budget          each layer multiplies the load: 3 × 3 × 3 (see Budget).
//	Bulkhead outside Breaker        takes a slot to be told no. It does little harm, but a
//	                                Bulkhead that queues makes them wait for it.
//	Timeout of a try outside        the time in the queue is missing from the call's, and a long
//	of Bulkhead                     queue looks like a slow server. Sometimes that is wanted. (Who
//	                                has no time left in the queue itself was refused: ErrFull. A
//	                                NewAbandon has not waited to be told, and cannot say so.)
//	NewAbandon inside Bulkhead      gives back the slot while f still runs: there it belongs
//	                                outside.
//
// A Breaker must know by its errors who is to blame: a full Bulkhead inside of it says nothing
// about the dependency.
//
//	a call     one small allocation for each guard but the last; none without guards
//	bad at     hiding what happens: each guard changes what the others see
func Chain(guards ...Guard) Guard {
	for i, g := range guards {
		if nilGuard(g) {
			panic(fmt.Sprintf("breaker: Chain: guard %d of %d is nil", i+1, len(guards)))
		}
	}
	return chain(slices.Clone(guards))
}

// nilGuard reports whether there is nothing to call: nil, or a nil pointer, which is what is
// left of a constructor whose error nobody looked at.
func nilGuard(g Guard) bool {
	if g == nil {
		return true
	}
	v := reflect.ValueOf(g)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// chain is immutable.
type chain []Guard

func (c chain) Run(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		panic("breaker: Chain: a nil function")
	}
	return c.run(ctx, f)
}

func (c chain) run(ctx context.Context, f func(context.Context) error) error {
	switch len(c) {
	case 0:
		if err := ctx.Err(); err != nil {
			return err
		}
		return f(ctx)
	case 1:
		return c[0].Run(ctx, f)
	}
	return c[0].Run(ctx, func(ctx context.Context) error { return c[1:].run(ctx, f) })
}
