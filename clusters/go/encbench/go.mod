// A module of its own, so that the service does not depend on the encoders it was measured against.
module twinload/wallet/encbench

go 1.26.0

require (
	github.com/bytedance/sonic v1.15.5 // a JSON encoder, JIT-compiled
	github.com/goccy/go-json v0.12.0 // a JSON encoder by cached opcodes
	twinload/wallet v0.0.0
)

require (
	github.com/bytedance/gopkg v0.1.3 // indirect
	github.com/bytedance/sonic/loader v0.5.3 // indirect
	github.com/cloudwego/base64x v0.1.6 // indirect
	github.com/klauspost/cpuid/v2 v2.2.9 // indirect
	github.com/twitchyliquid64/golang-asm v0.15.1 // indirect
	golang.org/x/arch v0.0.0-20210923205945-b76863e36670 // indirect
	golang.org/x/sys v0.48.0 // indirect
)

replace twinload/wallet => ../
