// Probe prints what the runtime of one Go toolchain looks like in memory: it type-checks the packages of the
// runtime as they stand in that toolchain's own source and asks go/types for sizes and offsets.
//
//	probe -goroot DIR -goarch amd64 -release-tags go1.1,… -tool-tags goexperiment.swissmap,… -wanted FILE
//
// It prints, in order of the wanted file, one line each:
//
//	struct mspan 160 next:0:8 prev:8:8 …    size, then name:offset:width of every field
//	const _KindSpecialProfile 4
//	names waitReasonStrings |GC assist marking|…
package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"log"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// packages are those whose types and constants can be asked for, by the last element of their path. The runtime
// comes first: its own names stand without a package.
var packages = []string{
	"runtime",
	"internal/abi",
	"internal/goarch",
	"internal/runtime/gc",
	"internal/runtime/maps",
	"internal/runtime/atomic",
	"runtime/internal/atomic",
}

func main() {
	log.SetFlags(0)
	goroot := flag.String("goroot", "", "toolchain")
	goarch := flag.String("goarch", "amd64", "processor")
	releaseTags := flag.String("release-tags", "", "build tags of the release")
	toolTags := flag.String("tool-tags", "", "build tags of the experiments")
	wanted := flag.String("wanted", "", "file of what to print")
	flag.Parse()
	text, err := os.ReadFile(*wanted)
	if err != nil {
		log.Fatal("probe: ", err)
	}
	s := newSource(*goroot, *goarch, strings.Split(*releaseTags, ","), strings.Split(*toolTags, ","))
	for _, line := range strings.Split(string(text), "\n") {
		kind, name, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || kind == "#" {
			continue
		}
		if err := s.print(kind, strings.TrimSpace(name)); err != nil {
			log.Fatalf("probe: %s: %v", line, err)
		}
	}
}

// source is the standard library of one toolchain, as built for one processor with one set of experiments.
type source struct {
	context build.Context
	files   *token.FileSet
	sizes   types.Sizes
	known   map[string]*types.Package
	syntax  map[string][]*ast.File
	info    types.Info
}

func newSource(goroot, goarch string, releaseTags, toolTags []string) *source {
	context := build.Default
	context.GOROOT, context.GOOS, context.GOARCH = goroot, "linux", goarch
	context.CgoEnabled, context.Compiler = false, "gc"
	context.ReleaseTags, context.ToolTags = releaseTags, toolTags
	s := &source{
		context: context,
		files:   token.NewFileSet(),
		sizes:   types.SizesFor("gc", goarch),
		known:   map[string]*types.Package{"unsafe": types.Unsafe},
		syntax:  map[string][]*ast.File{},
		info:    types.Info{Types: map[ast.Expr]types.TypeAndValue{}},
	}
	for _, path := range packages {
		if _, err := os.Stat(s.folder(path)); err != nil {
			continue // not in this release
		}
		if _, err := s.Import(path); err != nil {
			log.Fatal("probe: ", err)
		}
	}
	return s
}

func (s *source) folder(path string) string {
	return filepath.Join(s.context.GOROOT, "src", filepath.FromSlash(path))
}

// Import type-checks a package from source, without the bodies of its functions.
func (s *source) Import(path string) (*types.Package, error) {
	if known := s.known[path]; known != nil {
		return known, nil
	}
	parts, err := s.context.ImportDir(s.folder(path), 0)
	if err != nil {
		return nil, err
	}
	var syntax []*ast.File
	for _, name := range parts.GoFiles {
		file, err := parser.ParseFile(s.files, filepath.Join(parts.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		syntax = append(syntax, file)
	}
	config := types.Config{Importer: s, Sizes: s.sizes, IgnoreFuncBodies: true, FakeImportC: true}
	checked, err := config.Check(path, s.files, syntax, &s.info)
	if err != nil {
		return nil, err
	}
	s.known[path], s.syntax[path] = checked, syntax
	return checked, nil
}

// scope is the scope that a name belongs to, and its own name in there.
func (s *source) scope(name string) (*types.Scope, string) {
	before, own, qualified := strings.Cut(name, ".")
	if !qualified {
		return s.known["runtime"].Scope(), name
	}
	for _, candidate := range packages[1:] {
		if known := s.known[candidate]; known != nil && path.Base(candidate) == before {
			return known.Scope(), own
		}
	}
	return nil, own
}

// print prints what there is of one wanted name; nothing where this release has none.
func (s *source) print(kind, name string) error {
	scope, own := s.scope(name)
	if scope == nil {
		return nil
	}
	switch kind {
	case "struct":
		return s.printStruct(name, scope.Lookup(own))
	case "const":
		prefix, isPrefix := strings.CutSuffix(own, "*")
		for _, found := range scope.Names() {
			if found == own || isPrefix && strings.HasPrefix(found, prefix) {
				printConstant(strings.TrimSuffix(name, own)+found, scope.Lookup(found))
			}
		}
		return nil
	case "names":
		return s.printNames(name)
	}
	return fmt.Errorf("unknown kind %q", kind)
}

func (s *source) printStruct(name string, object types.Object) error {
	named, ok := object.(*types.TypeName)
	if !ok || named.IsAlias() {
		return nil
	}
	structure, ok := named.Type().Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	var fields []*types.Var
	for i := range structure.NumFields() {
		fields = append(fields, structure.Field(i))
	}
	fmt.Printf("struct %s %d", name, s.sizes.Sizeof(named.Type()))
	for i, offset := range s.sizes.Offsetsof(fields) {
		if fields[i].Name() != "_" {
			fmt.Printf(" %s:%d:%d", fields[i].Name(), offset, s.sizes.Sizeof(fields[i].Type()))
		}
	}
	fmt.Println()
	return nil
}

// printConstant prints a constant that is a whole number of 64 bits.
func printConstant(name string, object types.Object) {
	found, ok := object.(*types.Const)
	if !ok {
		return
	}
	value := constant.ToInt(found.Val())
	if number, exact := constant.Int64Val(value); exact {
		fmt.Printf("const %s %d\n", name, number)
	} else if number, exact := constant.Uint64Val(value); exact {
		fmt.Printf("const %s %d\n", name, int64(number))
	}
}

// printNames prints the strings of a table of the runtime.
func (s *source) printNames(name string) error {
	literal := s.table(name)
	if literal == nil {
		return nil
	}
	names, next := map[int64]string{}, int64(0)
	for _, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			index, exact := constant.Int64Val(constant.ToInt(s.info.Types[pair.Key].Value))
			if !exact {
				return fmt.Errorf("an index that is no number")
			}
			next, element = index, pair.Value
		}
		value := s.info.Types[element].Value
		if value == nil || value.Kind() != constant.String {
			return fmt.Errorf("an element that is no string")
		}
		names[next] = constant.StringVal(value)
		next++
	}
	var indices []int64
	for index := range names {
		indices = append(indices, index)
	}
	sort.Slice(indices, func(i, j int) bool { return indices[i] < indices[j] })
	var all []string
	for _, index := range indices {
		for int64(len(all)) < index {
			all = append(all, "")
		}
		all = append(all, names[index])
	}
	fmt.Printf("names %s %s\n", name, strings.Join(all, "|"))
	return nil
}

// table is the literal that a variable of the runtime starts with.
func (s *source) table(name string) *ast.CompositeLit {
	for _, file := range s.syntax["runtime"] {
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok || general.Tok != token.VAR {
				continue
			}
			for _, spec := range general.Specs {
				value := spec.(*ast.ValueSpec)
				if len(value.Values) == 1 && value.Names[0].Name == name {
					literal, _ := value.Values[0].(*ast.CompositeLit)
					return literal
				}
			}
		}
	}
	return nil
}
