package seed

import (
	"bytes"
	"math/rand/v2"
)

// Of returns random numbers that follow from the bytes, over and over, so that a
// fuzzer which changes a byte changes a choice, and most of those after it are as
// they were. What it returns is not safe for concurrent use.
func Of(input []byte) *rand.Rand { return rand.New(byteSource{bytes.NewReader(input)}) }

// byteSource takes eight bytes for a number; behind the end it begins anew, with its
// place in the number for the byte that was missing.
type byteSource struct{ r *bytes.Reader }

func (s byteSource) Uint64() uint64 {
	n := uint64(0)
	for i := range 8 {
		b, err := s.r.ReadByte()
		if err != nil {
			_, _ = s.r.Seek(0, 0)
			b = byte(i)
		}
		n = n<<8 | uint64(b)
	}
	return n * 0x9e3779b97f4a7c15
}
