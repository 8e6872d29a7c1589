package form

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLong(t *testing.T) {
	t.Setenv(EnvLong, "")
	require.False(t, Long())
	t.Setenv(EnvLong, "1")
	require.True(t, Long())
}

// TestRaced compares with what the compiler says.
func TestRaced(t *testing.T) { require.Equal(t, raced, Raced()) }
