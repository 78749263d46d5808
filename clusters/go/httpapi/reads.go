package httpapi

import "twinload/wallet"

func (s *Server) balance(c *call) *fault {
	if f := c.findUser(); f != nil {
		return f
	}
	view := c.bank.View(c.user)
	if err := c.buffers.balance.Fold(view); err != nil {
		return s.internal(c, err)
	}
	c.setMark(view.Mark)
	c.body = AppendBalance(c.body, c.userID, &c.buffers.balance)
	return nil
}

func (s *Server) statistics(c *call) *fault {
	window, f := parseWindow(c.query)
	if f != nil {
		return f
	}
	if f := c.findUser(); f != nil {
		return f
	}
	view, users := c.bank.View(c.user), c.bank.Users()
	c.buffers.statistics.Sum(view, window, users)
	c.setMark(view.Mark)
	c.body = AppendStatistics(c.body, c.userID, &c.buffers.statistics, users)
	return nil
}

func (s *Server) transactions(c *call) *fault {
	beforeSeq, limit, f := parsePage(c.query)
	if f != nil {
		return f
	}
	if f := c.findUser(); f != nil {
		return f
	}
	view := c.bank.View(c.user)
	c.page.Read(view, beforeSeq, limit)
	c.setMark(view.Mark)
	c.body = appendPage(c.body, c.userID, &c.page, c.bank.Users())
	return nil
}

func (s *Server) fib(c *call) *fault {
	n, f := parseFib(c.query)
	if f != nil {
		return f
	}
	c.body = appendMember(c.body, `{"n":`, n)
	c.body = appendMember(c.body, `,"fib":`, fib(n))
	c.body = append(c.body, '}')
	return nil
}

// fib is the demonstration: naive double recursion, nothing remembered.
func fib(n uint64) uint64 {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

// internal turns an error of the domain into a fault; what broke is logged, not answered.
func (s *Server) internal(c *call, err error) *fault {
	s.logger.Error("request failed", "path", c.path, "error", err)
	if err == wallet.ErrSequenceOverflow {
		return &fault{slug: slugSequenceOverrun}
	}
	return &fault{slug: slugCorrupt}
}
