package crash

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLegal goes through the points of a history of five calls.
func TestLegal(t *testing.T) {
	calls := []Call[string]{
		{After: "", Durable: true},
		{After: "a", Start: 0, End: 2},
		{After: "ab", Start: 2, End: 2}, // only in memory
		{After: "abc", Start: 2, End: 5, Durable: true},
		{After: "abcd", Start: 5, End: 6},
	}
	for point, want := range [][]string{
		0: {""},
		1: {"", "a"},
		2: {"", "a"},
		3: {"", "a", "ab", "abc"},
		4: {"", "a", "ab", "abc"},
		5: {"abc"},
		6: {"abc", "abcd"},
		7: {"abc", "abcd"},
	} {
		require.Equal(t, want, Legal(calls, point), "point %d", point)
	}
}

func TestRecovery(t *testing.T) {
	r := Recovery[string]{Before: []string{"a", "b"}, Opened: 2, Found: "b", Kept: 5, After: "bc"}
	for point, want := range [][]string{
		0: {"a", "b"},
		1: {"a", "b"},
		2: {"b"},
		3: {"b", "bc"},
		4: {"b", "bc"},
		5: {"bc"},
		6: {"bc"},
	} {
		require.Equal(t, want, r.Legal(point), "point %d", point)
	}
	r.After, r.Kept = r.Found, r.Opened // it only looked
	require.Equal(t, []string{"b"}, r.Legal(2))
}
