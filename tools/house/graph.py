import ast,sys,collections
from pathlib import Path
root=Path(sys.argv[1])/'fabfile'
M={}
mods={}
for p in root.rglob('*.py'):
    r=p.relative_to(root).with_suffix('')
    parts=r.parts[:-1] if r.name=='__init__' else r.parts
    mods['/'.join(parts)]=p
def new(m):
    if m in M: return M[m]
    return m
def room(m):
    n=new(m)
    if n=='' : return 'menu'
    return n.split('/')[0]
def imports(m):
    p=mods[m]; t=ast.parse(p.read_text())
    pk=p.relative_to(root).parts[:-1]
    out=set()
    for n in ast.walk(t):
        if isinstance(n,ast.ImportFrom) and n.level:
            base=pk[:len(pk)-(n.level-1)]
            base='/'.join([*base,*((n.module or '').split('.') if n.module else [])])
            if base in mods and mods[base].name!='__init__.py': out.add((base,n.lineno))
            else:
                for a in n.names:
                    c=f'{base}/{a.name}' if base else a.name
                    out.add((c if c in mods else base,n.lineno))
    return {(o,l) for o,l in out if o!=m}
order=['engine','settings','console','traffic','control','steps','roles','certs','discovery','rollout','health','status','drills','report','acceptance','flows','menu']
lines=collections.Counter()
up=[]
edges=collections.defaultdict(set)
for m in mods:
    lines[room(m)]+=len(mods[m].read_text().splitlines())
    for o,l in imports(m):
        a,b=room(m),room(o)
        edges[m].add(o)
        if a!=b and order.index(b)>=order.index(a): up.append((a,b,m,o,l))
        if a!=b and {a,b} in ({'console','traffic'},{'console','control'},{'traffic','control'},{'certs','discovery'},{'report','acceptance'}): up.append((a,b,'SIB '+m,o,l))
tot=sum(lines.values())
for r,c in lines.most_common(): print(f'{r:12} {c:6} {100*c/tot:.1f}%')
for u in sorted(set(up)): print(*u)
# file sccs
sys.setrecursionlimit(10000)
idx={};low={};st=[];on=set();sccs=[];c=[0]
def sc(v):
    idx[v]=low[v]=c[0];c[0]+=1;st.append(v);on.add(v)
    for w in edges[v]:
        if w not in mods: continue
        if w not in idx: sc(w); low[v]=min(low[v],low[w])
        elif w in on: low[v]=min(low[v],idx[w])
    if low[v]==idx[v]:
        comp=[]
        while True:
            w=st.pop();on.discard(w);comp.append(w)
            if w==v:break
        if len(comp)>1: sccs.append(comp)
for v in list(mods):
    if v not in idx: sc(v)
print('SCC files',sccs)
