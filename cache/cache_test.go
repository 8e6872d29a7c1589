package cache_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/cache"
)

func TestSetIsVisible(t *testing.T) {
	c, err := cache.New(cache.Config[int, int]{MaxEntries: 100})
	require.NoError(t, err)
	for i := range 10000 {
		c.Set(i, i)
		v, ok := c.Get(i)
		require.True(t, ok)
		require.Equal(t, i, v)
		require.LessOrEqual(t, c.Len(), 100)
	}
	require.Equal(t, 100, c.Len())
}
