package vclock

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/seed"
)

// halves are numbers that a half may have, 0 where there is no name.
func halves() []uint64 { return []uint64{0, 1, 2, 1 << 16, maxHalf - 1, maxHalf} }

// TestPackedIsPlain: two pairs of numbers, all of them, are compared in one word as they are in two. Planted and caught: nothing lent
// to the lower half, or to the upper one; a mask of one bit less; equal numbers that are told apart; a difference that is
// looked at whole.
func TestPackedIsPlain(t *testing.T) {
	word := func(low, high uint64) numbers { return numbers{high<<halfBits | low} }
	for _, a := range halves() {
		for _, b := range halves() {
			for _, c := range halves() {
				for _, d := range halves() {
					mine, theirs := numbers{a, b}, numbers{c, d}
					more, less := naiveDiffer(mine, theirs)
					plainMore, plainLess := plainDiffer(mine, theirs)
					require.Equal(t, []bool{more, less}, []bool{plainMore, plainLess}, "%v and %v", mine, theirs)
					packedMore, packedLess := packedDiffer(word(a, b), word(c, d))
					require.Equal(t, []bool{more, less}, []bool{packedMore, packedLess}, "%v and %v", mine, theirs)
					require.Equal(t, word(max(a, c), max(b, d)), word(a, b).largest(word(c, d), 2), "%v and %v", mine, theirs)
					require.Equal(t, numbers{max(a, c), max(b, d)}, mine.largest(theirs, 2))
				}
			}
		}
	}
}

// TestNumbersModel puts numbers beside a list: they are packed until one comes that is too large, and plain ones are packed again
// if there is none. Planted and caught: a half that is not emptied before it is written, a limit that is one off on either side, a
// last word too few, or too many.
func TestNumbersModel(t *testing.T) {
	r := seed.New(t)
	for range 200 {
		of := 1 + r.IntN(12)
		model, v := make([]uint64, of), Vector{}
		v.room(of)
		large := false
		for range 40 {
			i, n := r.IntN(of), halves()[r.IntN(6)]
			if r.IntN(40) == 0 {
				n = maxHalf + 1
			}
			large = large || n > maxHalf
			model[i] = n
			v.put(i, of, n)
			w := v.countsOf(of)
			for i, n := range model {
				require.Equal(t, n, w.at(i, of))
			}
			require.Equal(t, model, []uint64(w.plain(of, 0)))
			want := of
			if of > fewWords && !large {
				want = (of + 1) / 2
			}
			require.Len(t, w, want)
		}
		want := of
		if of > fewWords && slices.Max(model) <= maxHalf {
			want = (of + 1) / 2
		}
		again := tally{counts: model}.vector()
		require.Len(t, again.countsOf(of), want)
		require.Equal(t, model, []uint64(again.countsOf(of).plain(of, 0)))
	}
}
