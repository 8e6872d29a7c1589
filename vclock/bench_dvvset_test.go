package vclock

import (
	"maps"
	"testing"
)

// BenchmarkDVVSetPut is a write by a client who has read, on servers that have all written. The naive form is a vector
// for all values, in a map that is cloned because others have it.
func BenchmarkDVVSetPut(b *testing.B) {
	for _, n := range []int{3, 16} {
		var s DVVSet[int]
		for i := range n {
			_ = s.Put(s.Context(), nameOf(i), i)
		}
		plain := vvSiblings{s.Context().naive(), []int{1}}
		ctx := maps.Clone(plain.context)
		benchDots(b, "plinth", "read", n, 1, func() {
			u := s
			_ = u.Put(s.Context(), nameOf(0), 1)
		})
		benchDots(b, "naive", "read", n, 1, func() {
			u := vvSiblings{maps.Clone(plain.context), nil}
			u.put(ctx, nameOf(0), 1)
		})
	}
}

// BenchmarkDVVSetMerge is that of a write that has come from another server, and of one that is known.
func BenchmarkDVVSetMerge(b *testing.B) {
	for _, n := range []int{3, 16} {
		var s DVVSet[int]
		for i := range n {
			_ = s.Put(s.Context(), nameOf(i), i)
		}
		o := s
		_ = s.Put(Vector{}, nameOf(0), 1)
		_ = o.Put(Vector{}, nameOf(1), 1)
		benchDots(b, "plinth", "new", n, 1, func() { u := s; u.Merge(o) })
		benchDots(b, "plinth", "known", n, 1, func() { u := s; u.Merge(s) })
	}
}
