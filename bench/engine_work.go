package main

import (
	"bytes"
	"context"
	"fmt"
)

// engineUser writes keys of a store and checks every answer. It is not safe for
// concurrent use.
type engineUser struct {
	engine
	keys *lsmKeys
	next []entry // of the commit that is being made; bbolt needs them until it is done
}

func newEngineUser(e engine, entries int) *engineUser {
	return &engineUser{engine: e, keys: newLSMKeys(entries, 0, 1)}
}

// any is any of the keys.
func (u *engineUser) any() int { return u.keys.rnd.IntN(len(u.keys.versions)) }

// batch makes the next commit. Its entries are valid until the one after.
func (u *engineUser) batch(n int, key func() int) []entry {
	for len(u.next) < n {
		u.next = append(u.next, entry{make([]byte, lsmKeySize), make([]byte, lsmValueSize)})
	}
	for _, p := range u.next[:n] {
		k, v := u.keys.set(key())
		copy(p.key, k)
		copy(p.value, v)
	}
	return u.next[:n]
}

// write puts keys in commits of so many.
func (u *engineUser) write(ctx context.Context, puts, batch int, key func() int) error {
	for puts > 0 {
		n := min(batch, puts)
		if err := u.apply(u.batch(n, key)); err != nil {
			return err
		}
		if err := u.catchUp(ctx, n); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		puts -= n
	}
	return nil
}

// fill puts every key once, in random order.
func (u *engineUser) fill(ctx context.Context, batch int) error {
	order := u.keys.rnd.Perm(len(u.keys.versions))
	return u.write(ctx, len(order), batch, take(order))
}

const fillBatch = 100

// take returns one number after the other.
func take(numbers []int) func() int {
	return func() int {
		n := numbers[0]
		numbers = numbers[1:]
		return n
	}
}

// inOrder returns 0, 1, 2 …
func inOrder() func() int {
	i := -1
	return func() int { i++; return i }
}

// hit gets a key that is there.
func (u *engineUser) hit(i int) error {
	value, found, err := u.get(u.keys.present(i))
	if err == nil && !found {
		err = fmt.Errorf("reading back: key %d: not there", i)
	}
	if err != nil {
		return err
	}
	return u.keys.check(i, value, nil)
}

// miss gets a key that nobody has put.
func (u *engineUser) miss(i int) error {
	_, found, err := u.get(u.keys.absent(i))
	if err == nil && found {
		err = fmt.Errorf("reading back: a key that was never put: %d", i)
	}
	return err
}

// walk scans n entries from key i on, or all of them if n is 0.
func (u *engineUser) walk(i, n int) error {
	at := i
	err := u.scan(bytes.Clone(u.keys.present(i)), n, func(key, value []byte) error {
		if at >= len(u.keys.versions) || !bytes.Equal(key, u.keys.present(at)) {
			return fmt.Errorf("reading back: %x, which is not the next key", key)
		}
		at++
		return u.keys.check(at-1, value, nil)
	})
	if want := min(i+n, len(u.keys.versions)); err == nil && n > 0 && at != want || err == nil && n == 0 && at != len(u.keys.versions) {
		err = fmt.Errorf("reading back: %d entries from key %d on", at-i, i)
	}
	return err
}

// verify compares all that there is with what was put.
func (u *engineUser) verify() error { return u.walk(0, 0) }
