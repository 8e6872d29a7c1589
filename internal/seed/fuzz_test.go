package seed

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOf: the same bytes give the same numbers, behind their end as well, and a byte
// changes the number that it is a part of, and not the one before.
func TestOf(t *testing.T) {
	input := []byte("sixteen bytes, 2")
	a, b := Of(input), Of(input)
	for range 100 {
		require.Equal(t, a.Uint64(), b.Uint64())
	}
	a, b = Of(input), Of([]byte("sixteen bytes, 3"))
	require.Equal(t, a.Uint64(), b.Uint64())
	require.NotEqual(t, a.Uint64(), b.Uint64())
	none := Of(nil)
	require.Equal(t, none.Uint64(), none.Uint64(), "no bytes are enough")
}
