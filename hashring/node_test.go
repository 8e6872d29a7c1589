package hashring

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHash holds the hash for ever: other programs have stored what it has spread.
func TestHash(t *testing.T) {
	require.Equal(t, uint64(0xef46db3751d8e999), Hash(""))
	require.Equal(t, uint64(0xd24ec4f1a98c6e5b), Hash("a"))
	require.Equal(t, uint64(0x44bc2cf5ad770999), Hash("abc"))
}
