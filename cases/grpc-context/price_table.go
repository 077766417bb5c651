package main

import "fmt"

// price is what one article costs, and has cost. The table of them is the biggest thing in the heap; it is made
// at the start and never changes.
type price struct {
	sku     string
	name    string
	history [24]int64 // cents, by month
}

// perPrice is about what one row of the table costs.
const perPrice = 360

// rows is the number of articles; set once by newPriceTable.
var rows int

func newPriceTable(bytes int) map[string]*price {
	rows = max(1000, bytes/perPrice)
	table := make(map[string]*price, rows)
	for i := 0; i < rows; i++ {
		p := &price{sku: skuName(i), name: fmt.Sprintf("article %d, size %d", i, i%9)}
		for month := range p.history {
			p.history[month] = int64(100 + (i*7+month*13)%9900)
		}
		table[p.sku] = p
	}
	return table
}

// skuName is the i-th article, counted round.
func skuName(i int) string { return fmt.Sprintf("SKU-%07d", i%max(1, rows)) }

func (p *price) today() int64 { return p.history[len(p.history)-1] }
