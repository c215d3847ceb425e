"""Hedge: a small asyncio proxy speaking enough of the contract."""
from __future__ import annotations
import argparse, asyncio, json, signal, sys
from pathlib import Path
from harness.clock import Clock
from harness.record.schema import Opened, Closed
from harness.record.writer import RowWriter

class Proxy:
    def __init__(self, server, name, upstream, listen):
        self.server, self.name, self.upstream, self.listen = server, name, upstream, listen
        self.enabled=False; self.toxics={}; self.listener=None; self.conns=set(); self.count=0
    def shape(self):
        return {"name":self.name,"listen":self.listen,"upstream":self.upstream,"enabled":self.enabled,"toxics":list(self.toxics.values())}
    async def enable(self):
        if self.enabled: return
        host,_,port=self.listen.rpartition(":")
        self.listener=await asyncio.start_server(self.accept, host or "127.0.0.1", int(port))
        h,p=self.listener.sockets[0].getsockname()[:2]; self.listen=f"{h}:{p}"; self.enabled=True
    async def disable(self):
        if not self.enabled: return
        self.enabled=False; self.listener.close()
        for t in list(self.conns): t.cancel()
    async def accept(self, r, w):
        t=asyncio.current_task(); self.conns.add(t); self.count+=1; n=self.count
        s=self.server; client="%s:%d"%w.get_extra_info("peername")[:2]; by="control"; up=down=0
        counts=[0,0]; who=[]
        try:
            host,_,port=self.upstream.rpartition(":")
            try: ur,uw=await asyncio.wait_for(asyncio.open_connection(host,int(port)),5)
            except Exception as e:
                s.row(Opened(at_ns=s.now(),proxy=self.name,connection=n,client=client,upstream_port=None,error=str(e))); w.close(); by="upstream"; return
            s.row(Opened(at_ns=s.now(),proxy=self.name,connection=n,client=client,upstream_port=uw.get_extra_info("sockname")[1]))
            async def pump(a,b,i):
                while True:
                    d=await a.read(65536)
                    if not d:
                        who.append(("client","upstream")[i])
                        try: b.write_eof()
                        except OSError: pass
                        return
                    if any(x["type"]=="timeout" for x in self.toxics.values()): continue
                    lat=sum(x["attributes"].get("latency",0) for x in self.toxics.values() if x["type"]=="latency" and (x["stream"]=="upstream")==(i==0))
                    if lat: await asyncio.sleep(lat/1000)
                    counts[i]+=len(d); b.write(d); await b.drain()
            try:
                p=[asyncio.create_task(pump(r,uw,0)),asyncio.create_task(pump(ur,w,1))]
                await asyncio.gather(*p)
            finally:
                for x in p: x.cancel()
                uw.close()
            by=who[0] if who else "client"
        except (ConnectionError,OSError): by="client"
        finally:
            w.close(); self.conns.discard(t)
            s.row(Closed(at_ns=s.now(),proxy=self.name,connection=n,by=by,how="fin",bytes_up=counts[0],bytes_down=counts[1]))

class Server:
    def __init__(self, a):
        self.a=a; self.proxies={}; self.clock=Clock(a.origin_ns); self.w=RowWriter(Path(a.events)) if a.events else None
    def now(self): return self.clock.now_ns()
    def row(self,r):
        if self.w: self.w.append(r,now=True)
    async def http(self, r, w):
        try:
            while True:
                line=await r.readline()
                if not line: break
                m,path,_=line.decode().split(" ",2); n=0
                while True:
                    h=await r.readline()
                    if h in (b"\r\n",b""): break
                    k,_,v=h.decode().partition(":")
                    if k.lower()=="content-length": n=int(v)
                body=await r.readexactly(n) if n else b""
                try: st,out=await self.route(m,path,json.loads(body) if body else {})
                except KeyError as e: st,out=404,{"error":"proxy not found","status":404}
                except OSError as e: st,out=500,{"error":str(e),"status":500}
                d=b"" if out is None else json.dumps(out).encode()
                w.write(f"HTTP/1.1 {st} X\r\nContent-Type: application/json\r\nContent-Length: {len(d)}\r\n\r\n".encode()+d); await w.drain()
        finally: w.close()
    async def route(self,m,path,b):
        p=path.strip("/").split("/")
        if p==["version"]: return 200,{"version":"2.12.0"}
        if p==["reset"]:
            for x in self.proxies.values(): x.toxics.clear(); await x.enable()
            return 204,None
        if p[0]=="proxies":
            if len(p)==1:
                if m=="GET": return 200,{k:v.shape() for k,v in self.proxies.items()}
                if b["name"] in self.proxies: return 409,{"error":"proxy already exists","status":409}
                x=Proxy(self,b["name"],b["upstream"],b.get("listen") or "127.0.0.1:0")
                if b.get("enabled",True): await x.enable()
                self.proxies[x.name]=x; return 201,x.shape()
            x=self.proxies[p[1]]
            if len(p)==2:
                if m=="GET": return 200,x.shape()
                if m=="DELETE": await x.disable(); del self.proxies[p[1]]; return 204,None
                for k in("listen","upstream"):
                    if b.get(k) and b[k]!=getattr(x,k): await x.disable(); setattr(x,k,b[k])
                if "enabled" in b: await (x.enable() if b["enabled"] else x.disable())
                return 200,x.shape()
            if p[2]=="toxics":
                if len(p)==3:
                    if m=="GET": return 200,list(x.toxics.values())
                    st=b.get("stream") or "downstream"; nm=b.get("name") or f"{b['type']}_{st}"
                    x.toxics[nm]={"attributes":b.get("attributes",{}),"name":nm,"type":b["type"],"stream":st,"toxicity":b.get("toxicity",1.0)}
                    return 200,x.toxics[nm]
                if m=="GET": return 200,x.toxics[p[3]]
                if m=="DELETE": del x.toxics[p[3]]; return 204,None
        return 404,{"error":"nope","status":404}
async def amain(a):
    s=Server(a); srv=await asyncio.start_server(s.http,a.host,a.port)
    stop=asyncio.Event(); 
    for sg in (signal.SIGTERM,signal.SIGINT): asyncio.get_running_loop().add_signal_handler(sg,stop.set)
    h,p=srv.sockets[0].getsockname()[:2]
    if a.port_file: Path(a.port_file).write_text(f"{h}:{p}")
    print("listening",p,flush=True); await stop.wait()
    for x in s.proxies.values(): await x.disable()
    await asyncio.sleep(0.05)
def main(argv):
    p=argparse.ArgumentParser()
    for f,d in (("--host","127.0.0.1"),("--events",None),("--port-file",None),("--config",None)): p.add_argument(f,default=d)
    for f,d in (("--port",8474),("--seed",0),("--origin-ns",0)): p.add_argument(f,type=int,default=d)
    asyncio.run(amain(p.parse_args(argv))); return 0
