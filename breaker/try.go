package breaker

import (
	"context"
	"runtime"
)

// ending is how a try ended that had a goroutine of its own: it returned, panicked, or left
// by runtime.Goexit (as t.FailNow does). The goroutine that waits for it goes on in the same way.
type ending struct {
	number   int // of the try, from 0
	err      error
	panicked any
	exited   bool
}

// launch starts a goroutine that calls f, and ends when f does. The channel must have room
// for how it ends, so that nobody has to listen any more by then.
func launch(ctx context.Context, f func(context.Context) error, number int, ends chan<- ending) {
	go func() {
		e := ending{number: number, exited: true}
		defer func() {
			if v := recover(); v != nil {
				e.panicked, e.exited = v, false
			}
			ends <- e
		}()
		e.err = f(ctx)
		e.exited = false
	}()
}

// settle returns the error of a try, or panics or exits as it did.
func (e *ending) settle() error {
	switch {
	case e.panicked != nil:
		panic(e.panicked)
	case e.exited:
		runtime.Goexit()
	}
	return e.err
}
