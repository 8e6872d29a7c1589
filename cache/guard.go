package cache

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrGoexit is what waiters get when the function that they wait for has ended
// its goroutine with runtime.Goexit, as t.FailNow does.
var ErrGoexit = errors.New("cache: a callback called runtime.Goexit")

// PanicError is what waiters get when the function that they wait for panics.
// It is not safe to panic again on a goroutine that did not cause it, and not
// to tell anybody would leave them waiting.
//
// A PanicError is safe for concurrent use: nobody changes it.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // of the goroutine that panicked
}

// Error tells the stack too, because a log is where it will be looked for.
func (e *PanicError) Error() string {
	return fmt.Sprintf("cache: a callback panicked: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns what panic was called with, if that was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// guard calls f and then, whatever f does, then with the way in which it ended.
// It wants a goroutine of its own: nothing stops a Goexit.
func guard(f func() error, then func(error)) {
	err := ErrGoexit // unless f returns or panics
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
		then(err)
	}()
	err = f()
}

// apart calls f on a goroutine of its own, and returns how it ended.
func apart(f func() error) error {
	ended := make(chan error, 1)
	go guard(f, func(err error) { ended <- err })
	return <-ended
}

// notItself is the error for a key such as a NaN.
func notItself[K comparable](key K) error {
	return fmt.Errorf("cache: the key %v is not equal to itself, so nothing could find it again", key)
}
