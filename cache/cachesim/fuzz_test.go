package cachesim

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzReader feeds a reader anything. It must not panic; an error must be an
// ErrTrace; and what is read must read the same again when it is written in
// that format, with gzip around it.
func fuzzReader(f *testing.F, format Format, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
		f.Add(zipped([]byte(s)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 12 // of requests: the fuzzer finds out how to ask for many
		trace, err := read(bytes.NewReader(data), format, limit)
		if err != nil {
			require.Nil(t, trace)
			_, err = Read(bytes.NewReader(data), format)
			if err != nil {
				require.ErrorIs(t, err, ErrTrace)
			}
			return
		}
		require.NotEmpty(t, trace)
		require.LessOrEqual(t, len(trace), limit)
		again, err := read(bytes.NewReader(zipped(encode(trace, format))), format, limit)
		require.NoError(t, err)
		require.Equal(t, trace, again)
	})
}

func FuzzARC(f *testing.F) {
	fuzzReader(f, ARC, "5 3 0 1\n7 0 0 2\n", "18446744073709551615 2 0 0\n", "1 -1 0 0", "1 2 3", "0 1048576 0 0")
}

func FuzzLIRS(f *testing.F) { fuzzReader(f, LIRS, "1\n* 9\n\n2\n", "18446744073709551616", "-1", "*") }

func FuzzBE64(f *testing.F) { fuzzReader(f, BE64, "12345678", "1234567", "\x1f\x8b\x08aaaaa", "") }

func FuzzBE32(f *testing.F) { fuzzReader(f, BE32, "12345678", "123", "\x1f\x8b\x08a", "") }

func FuzzLines(f *testing.F) { fuzzReader(f, Lines, "a\nb\n\na", "\r\n", "\xff\x00\n \t", "") }
