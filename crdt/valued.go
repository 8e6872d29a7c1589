package crdt

import (
	"encoding/binary"
	"slices"

	"github.com/plinth-go/plinth/vclock"
)

// valued is a dot that brings a value: the store of an MVRegister is a list of them, and that of a CausalCounter
// another. (Almeida, Shoker and Baquero, 2018, call such a store a DotFun.)
//
// Nobody gives a dot twice, so that its value is always the same. If somebody has done it nevertheless, because he was
// restored from a copy and has kept his name, or if somebody has made it up, then of each dot the larger value stays:
// one of the two is lost, but all replicas lose the same one, and Merge is a join for whatever comes.
type valued[V any] struct {
	dot   vclock.Dot
	value V
}

func compareTo[V any](v valued[V], d vclock.Dot) int { return compareDots(v.dot, d) }

// joinValued joins two lists by the rule of Causal, and reports whether that is something else than a.
func joinValued[V any](
	mine *vclock.Context, a, b []valued[V], theirs *vclock.Context, less func(a, b V) bool,
) (all []valued[V], changed bool) {
	for len(a)+len(b) > 0 {
		order := 0
		switch {
		case len(b) == 0:
			order = -1
		case len(a) == 0:
			order = 1
		default:
			order = compareDots(a[0].dot, b[0].dot)
		}
		switch {
		case order < 0:
			if theirs.Contains(a[0].dot) {
				changed = true
			} else {
				all = append(all, a[0])
			}
			a = a[1:]
		case order > 0:
			if !mine.Contains(b[0].dot) {
				all = append(all, b[0])
				changed = true
			}
			b = b[1:]
		case less(a[0].value, b[0].value):
			all = append(all, b[0])
			changed = true
			a, b = a[1:], b[1:]
		default:
			all = append(all, a[0])
			a, b = a[1:], b[1:]
		}
	}
	return all, changed
}

// keepsValued reports whether a has all of b that mine has seen, and nothing larger.
func keepsValued[V any](mine *vclock.Context, a, b []valued[V], less func(a, b V) bool) bool {
	for _, v := range b {
		if !mine.Contains(v.dot) {
			continue
		}
		if i, is := slices.BinarySearchFunc(a, v.dot, compareTo[V]); !is || less(v.value, a[i].value) {
			return false
		}
	}
	return true
}

// appendValued writes how many there are, and each: the dot, and the value.
func appendValued[V any](
	b []byte, list []valued[V], names []vclock.ID, value func([]byte, V) ([]byte, error),
) (_ []byte, err error) {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, v := range list {
		if b, err = value(appendDot(b, v.dot, names), v.value); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// parseValued reads them.
func parseValued[V any](
	d *vclock.Decoder, c *vclock.Context, names []vclock.ID, value func() V,
) []valued[V] {
	var list []valued[V] // not made for how many they claim to be: a V may be large, and its bytes few
	for range d.Count(2) {
		dot := parseDot(d, c, names)
		if len(list) > 0 && compareDots(list[len(list)-1].dot, dot) >= 0 {
			d.Fail("%v after %v", dot, list[len(list)-1].dot)
		}
		v := value()
		if d.Err() != nil {
			return nil
		}
		list = append(list, valued[V]{dot, v})
	}
	return list
}
