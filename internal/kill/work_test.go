package kill

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWork makes the changes to a map: it must hold what Holds says after each of them.
func TestWork(t *testing.T) {
	w := Work{Writers: 2, Groups: 5, Size: func(n int) int { return n * 31 % 40 }}
	missing := errors.New("missing")
	store := map[string]string{}
	get := func(key []byte) ([]byte, error) {
		v, ok := store[string(key)]
		if !ok {
			return nil, missing
		}
		return []byte(v), nil
	}
	last, deleted := []int{0, 0}, 0
	require.Empty(t, w.Holds(last))
	for n := range 100 {
		writer := n * n % 3 % 2
		last[writer]++
		for key, value := range w.Changes(writer, last[writer]) {
			if value == nil {
				delete(store, string(key))
				deleted++
			} else {
				store[string(key)] = string(value)
			}
		}
		require.Equal(t, store, w.Holds(last))
		found, err := w.Numbers(get, missing)
		require.NoError(t, err)
		require.Equal(t, last, found)
	}
	require.Greater(t, deleted, 20)
	require.NotEqual(t, store, w.Holds([]int{last[0], last[1] - 1}))

	keys := map[string]bool{}
	for key := range w.Keys() {
		keys[string(key)] = true
	}
	require.Len(t, keys, 2*5*4)
	_, err := w.Numbers(get, errors.New("another"))
	require.NoError(t, err, "all are there")
	_, err = w.Number(func([]byte) ([]byte, error) { return nil, missing }, errors.New("another"), 0)
	require.ErrorIs(t, err, missing)
}
