package kill

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
)

// Work is what writers do to a store of keys. Transaction n of a writer sets its last
// key to n, and the four keys of one of its groups, which are far from each other;
// every seventh deletes the four instead. So the numbers in the last keys say what all
// keys must be. Not changed by its methods, which are safe for concurrent use.
type Work struct {
	Writers int
	Groups  int             // for each writer: transaction n is about group n % Groups
	Size    func(n int) int // bytes in a value besides its number
}

// perGroup is how many keys a group has.
const perGroup = 4

func (w Work) last(writer int) []byte { return fmt.Appendf(nil, "last/%d", writer) }

// Key returns a key of a group.
func (w Work) Key(writer, group, part int) []byte {
	return fmt.Appendf(nil, "%d/%02d/%d", part, group, writer)
}

// Keys yields the keys of all groups.
func (w Work) Keys() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range w.Writers * w.Groups * perGroup {
			if !yield(w.Key(i/perGroup/w.Groups, i/perGroup%w.Groups, i%perGroup)) {
				return
			}
		}
	}
}

func (w Work) value(n int) []byte {
	return fmt.Appendf(nil, "%d|%s", n, bytes.Repeat([]byte("x"), w.Size(n)))
}

func deletes(n int) bool { return n%7 == 6 }

// Changes yields what a transaction sets; a nil value deletes the key.
func (w Work) Changes(writer, n int) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		if !yield(w.last(writer), w.value(n)) {
			return
		}
		for part := range perGroup {
			var value []byte
			if !deletes(n) {
				value = w.value(n)
			}
			if !yield(w.Key(writer, n%w.Groups, part), value) {
				return
			}
		}
	}
}

// Number returns the number of the last transaction of a writer that is there, 0 for
// none. The error of get that means no such key is missing.
func (w Work) Number(get func(key []byte) ([]byte, error), missing error, writer int) (n int, err error) {
	v, err := get(w.last(writer))
	if errors.Is(err, missing) {
		return 0, nil
	}
	if err == nil {
		_, err = fmt.Sscanf(string(v), "%d|", &n)
	}
	return n, err
}

// Numbers returns the Number of each writer.
func (w Work) Numbers(get func(key []byte) ([]byte, error), missing error) (last []int, err error) {
	last = make([]int, w.Writers)
	for writer := range last {
		if last[writer], err = w.Number(get, missing, writer); err != nil {
			return last, err
		}
	}
	return last, nil
}

// Holds returns all keys and values that a store has in which those are the last
// transactions.
func (w Work) Holds(last []int) map[string]string {
	want := map[string]string{}
	for writer, n := range last {
		if n > 0 {
			want[string(w.last(writer))] = string(w.value(n))
		}
		for group := range w.Groups {
			m := n - (n-group+w.Groups)%w.Groups // the last one about this group
			for part := range perGroup {
				if m > 0 && !deletes(m) {
					want[string(w.Key(writer, group, part))] = string(w.value(m))
				}
			}
		}
	}
	return want
}
