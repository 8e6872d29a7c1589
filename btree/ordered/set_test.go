package ordered

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSet asks a set all that there is to ask.
func TestSet(t *testing.T) {
	for _, s := range []*Set[string]{NewSet[string](), NewSetFunc(strings.Compare)} {
		_, ok := s.Min()
		require.False(t, ok)
		for _, k := range strings.Fields("cow ant elk bee dog") {
			require.True(t, s.Add(k))
			require.False(t, s.Add(k))
		}
		c := s.Clone()
		require.True(t, c.Delete("cow"))
		require.False(t, c.Delete("cow"))
		require.False(t, c.Has("cow"))
		require.True(t, s.Has("cow"))
		require.Equal(t, 4, c.Len())
		require.Equal(t, []string{"ant", "bee", "cow", "dog", "elk"}, slices.Collect(s.All()))
		require.Equal(t, []string{"elk", "dog", "cow", "bee", "ant"}, slices.Collect(s.Backward()))
		require.Equal(t, []string{"cow", "dog", "elk"}, slices.Collect(s.From("cat")))
		require.Equal(t, []string{"bee", "cow"}, slices.Collect(s.Scan("bee", "dog")))
		require.Equal(t, []string{"bee", "ant"}, slices.Collect(s.Before("cow")))
		least, _ := s.Min()
		most, _ := s.Max()
		third, ok := s.At(2)
		require.Equal(t, "ant elk cow", least+" "+most+" "+third)
		require.True(t, ok)
		rank, ok := s.Rank("cat")
		require.Equal(t, 2, rank)
		require.False(t, ok)
		loaded, err := BulkSet(s.All())
		require.NoError(t, err)
		require.Equal(t, slices.Collect(s.All()), slices.Collect(loaded.All()))
	}
}
