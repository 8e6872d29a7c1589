package ratelimit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLimitNotPositive refuses numbers that are none of a limit, also those by which a Limit
// says that it is Unlimited, or none.
func TestLimitNotPositive(t *testing.T) {
	for _, s := range []string{"-1/0s", "-1/0", "0/0s", "-1/1s", "1/0s", "1/-1s", "2/1ns"} {
		l, err := ParseLimit(s)
		require.Error(t, err, s)
		require.Equal(t, Limit{}, l)
	}
	require.PanicsWithValue(t, "ratelimit: -1 events: want at least 1", func() { Per(-1, 0) })
	require.PanicsWithValue(t, "ratelimit: 0 events: want at least 1", func() { Per(0, 0) })
	require.PanicsWithValue(t, "ratelimit: in 0s: want a positive time", func() { Per(1, time.Duration(0)) })
}
