package arch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPlinth holds this module against every rule. Each finding names its
// place; to change a rule, change the check and its planted violations.
func TestPlinth(t *testing.T) {
	root := filepath.Join("..", "..")
	mod, err := readModFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	require.Equal(t, plinth, mod.Module.Path)
	m, err := load(os.DirFS(root), mod.Module.Path)
	require.NoError(t, err)
	require.Greater(t, len(m.pkgs), 2, "the walk has lost the module")

	for name, found := range map[string][]finding{
		"layers":    checkLayers(m),
		"go.mod":    checkModFile(mod),
		"contracts": checkContracts(m),
		"snippets":  checkSnippets(m),
		"parts":     checkParts(m),
		"names":     checkNames(m),
		"init":      checkInit(m),
		"sleep":     checkSleep(m),
		"words":     checkWords(m),
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range found {
				t.Error(f)
			}
		})
	}
}
