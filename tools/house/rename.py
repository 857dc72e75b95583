"""rename.py ROOT MAPFILE [old|new]: exact renames of functions. Paths in MAPFILE are old ones, mapped by map.txt."""
import ast,sys,re,collections
from pathlib import Path
root=Path(sys.argv[1]).resolve()
P={}
for l in open('tools/house/map.txt'):
    w=l.split('#')[0].split()
    if len(w)==2: P[w[0]]=w[1]
def newpath(m):
    if m in P: return P[m]
    for pre in ('acceptance','certs','discovery','drills','report','health'):
        if m.startswith(f'flows/{pre}/'): return m.replace('flows/','',1)
    return m
files={}
for top in ('fabfile','tests','lab','bench','healer'):
    for p in (root/top).rglob('*.py'):
        r=p.relative_to(root).with_suffix('')
        parts=r.parts[:-1] if r.name=='__init__' else r.parts
        files['.'.join(parts)]=p
for p in root.glob('*.py'): files[p.stem]=p
ispkg={m:p.name=='__init__.py' for m,p in files.items()}
F=collections.defaultdict(dict); Mth=collections.defaultdict(dict)
cur=None
for l in open(sys.argv[2]):
    l=l.strip()
    if not l or l[0]=='#': continue
    if l[0]=='@':
        n=newpath(l[1:]); n=n[:-9] if n.endswith('/__init__') else n
        cur='fabfile.'+n.replace('/','.')
        if cur not in files: print('no module',cur)
        continue
    o,n=l.split()
    if '.' in o: c,m=o.split('.'); Mth[cur][(c,m)]=n
    else: F[cur][o]=n
T={m:ast.parse(p.read_text()) for m,p in files.items()}
def resolve(cur,node):
    if not node.level: return node.module or ''
    parts=cur.split('.')
    if not ispkg[cur]: parts=parts[:-1]
    parts=parts[:len(parts)-(node.level-1)]
    return '.'.join(parts+([node.module] if node.module else []))
# check definitions exist
for m,d in list(F.items()):
    names={n.name for n in T[m].body if isinstance(n,(ast.FunctionDef,ast.AsyncFunctionDef,ast.ClassDef))}|{y.id for n in T[m].body if isinstance(n,(ast.Assign,ast.AnnAssign)) for y in ast.walk(n) if isinstance(y,ast.Name) and isinstance(y.ctx,ast.Store)} if m in T else set()
    for o in list(d):
        if o not in names: print('missing',m,o); del d[o]
    
# test modules importing siblings (top-level names): resolve plain names too
def modname(cur,base):
    if base in files: return base
    for pre in ('tests','tests.unit','tests.ssh','tests.lab','tests.shell'):
        if f'{pre}.{base}' in files: return f'{pre}.{base}'
    return base
# reexport fixpoint
changed=True
while changed:
    changed=False
    for m,t in T.items():
        for n in ast.walk(t):
            if isinstance(n,ast.ImportFrom):
                b=modname(m,resolve(m,n))
                for a in n.names:
                    if a.asname is None and a.name in F.get(b,{}) and f'{b}.{a.name}' not in files:
                        top=n in t.body or any(n in getattr(x,'body',[]) for x in t.body if isinstance(x,ast.If))
                        if top and F[m].get(a.name)!=F[b][a.name]:
                            F[m][a.name]=F[b][a.name]; changed=True
methodcount=collections.Counter()
for m,t in T.items():
    for c in ast.walk(t):
        if isinstance(c,ast.ClassDef):
            for f in c.body:
                if isinstance(f,(ast.FunctionDef,ast.AsyncFunctionDef)): methodcount[f.name]+=1
                if isinstance(f,ast.AnnAssign) and isinstance(f.target,ast.Name): methodcount[f.target.id]+=1
def bound(fn):
    a=fn.args
    s={x.arg for x in [*a.posonlyargs,*a.args,*a.kwonlyargs,*filter(None,[a.vararg,a.kwarg])]}
    if isinstance(fn,ast.Lambda): return s
    glob=set()
    def w(n):
        for c in ast.iter_child_nodes(n):
            if isinstance(c,(ast.FunctionDef,ast.AsyncFunctionDef)): s.add(c.name); continue
            if isinstance(c,ast.ClassDef): s.add(c.name); continue
            if isinstance(c,ast.Lambda): continue
            if isinstance(c,ast.Name) and isinstance(c.ctx,ast.Store): s.add(c.id)
            if isinstance(c,ast.ExceptHandler) and c.name: s.add(c.name)
            w(c)
    w(fn)
    return s
edits=0
for m,t in T.items():
    p=files[m]; pos=[]   # (line,col,old,new)
    src=p.read_text(); L=src.split('\n')
    own=F.get(m,{}) if m.startswith('fabfile') else {}
    defs={n.name for n in t.body if isinstance(n,(ast.FunctionDef,ast.AsyncFunctionDef,ast.ClassDef))}|{y.id for n in t.body if isinstance(n,(ast.Assign,ast.AnnAssign)) for y in ast.walk(n) if isinstance(y,ast.Name) and isinstance(y.ctx,ast.Store)}
    imported=set()
    def findcol(line,col,name):  # byte col of name at/after col
        raw=L[line-1].encode(); i=raw.find(name.encode(),col); 
        while i>=0 and (i+len(name)<len(raw) and (chr(raw[i+len(name)]).isalnum() or chr(raw[i+len(name)])=='_') or i>0 and (chr(raw[i-1]).isalnum() or chr(raw[i-1])=='_')): i=raw.find(name.encode(),i+1)
        return i
    def imp(n,scope,mods):
        """handle import, return new (scope renames, module aliases)"""
        if isinstance(n,ast.Import):
            for a in n.names:
                if a.asname: mods[a.asname]=a.name
                else: mods[a.name.split('.')[0]]=a.name.split('.')[0]
            return
        b=modname(m,resolve(m,n))
        for a in n.names:
            sub=f'{b}.{a.name}'
            local=a.asname or a.name
            if sub in files:
                mods[local]=sub; scope.pop(local,None); continue
            mods.pop(local,None)
            if a.name in F.get(b,{}):
                new=F[b][a.name]
                pos.append((a.lineno,a.col_offset,a.name,new))
                if a.asname is None: scope[a.name]=new
                else: scope.pop(local,None)
            else: scope.pop(local,None)
    def visit(n,scope,mods,cls):
        if isinstance(n,(ast.FunctionDef,ast.AsyncFunctionDef,ast.Lambda)):
            if not isinstance(n,ast.Lambda):
                for d in [*n.decorator_list,n.returns,*n.args.defaults,*n.args.kw_defaults,*(x.annotation for x in [*n.args.args,*n.args.kwonlyargs,*n.args.posonlyargs,*filter(None,[n.args.vararg,n.args.kwarg])])]:
                    if d is not None: visit(d,scope,mods,cls)
            else:
                for d in [*n.args.defaults,*n.args.kw_defaults]:
                    if d is not None: visit(d,scope,mods,cls)
            b=bound(n)
            sc={k:v for k,v in scope.items() if k not in b}; mo={k:v for k,v in mods.items() if k not in b}
            for old,new in sc.items():
                if new in b and any(isinstance(x,ast.Name) and x.id==old for x in ast.walk(n)): print('COLLISION',m,n.lineno if hasattr(n,'lineno') else '?',old,'->',new)
            body=n.body if isinstance(n.body,list) else [n.body]
            for x in body:
                for y in ast.walk(x):
                    if isinstance(y,(ast.Import,ast.ImportFrom)) : pass
            for x in body: visit(x,sc,mo,cls)
            return
        if isinstance(n,(ast.ListComp,ast.SetComp,ast.GeneratorExp,ast.DictComp)):
            tg={y.id for g in n.generators for y in ast.walk(g.target) if isinstance(y,ast.Name)}
            visit(n.generators[0].iter,scope,mods,cls)
            sc={k:v for k,v in scope.items() if k not in tg}; mo={k:v for k,v in mods.items() if k not in tg}
            for g in n.generators[1:]: visit(g.iter,sc,mo,cls)
            for g in n.generators:
                for i in g.ifs: visit(i,sc,mo,cls)
            for f in ('elt','key','value'):
                if hasattr(n,f): visit(getattr(n,f),sc,mo,cls)
            return
        if isinstance(n,ast.ClassDef):
            for d in [*n.decorator_list,*n.bases,*(k.value for k in n.keywords)]: visit(d,scope,mods,cls)
            meth={f.name for f in n.body if isinstance(f,(ast.FunctionDef,ast.AsyncFunctionDef))}
            sc={k:v for k,v in scope.items()}
            for f in n.body:
                if isinstance(f,(ast.FunctionDef,ast.AsyncFunctionDef)) and (n.name,f.name) in Mth.get(m,{}):
                    pos.append((f.lineno,f.col_offset,f.name,Mth[m][(n.name,f.name)]))
                visit(f,sc,mods,n.name)
            return
        if isinstance(n,(ast.Import,ast.ImportFrom)):
            imp(n,scope,mods); return
        if isinstance(n,ast.Name):
            if n.id in scope and isinstance(n.ctx,ast.Load): pos.append((n.lineno,n.col_offset,n.id,scope[n.id]))
            return
        if isinstance(n,ast.Attribute):
            chain=[]; x=n.value
            while isinstance(x,ast.Attribute): chain.append(x.attr); x=x.value
            done=False
            if isinstance(x,ast.Name) and x.id in mods:
                mod='.'.join([mods[x.id],*reversed(chain)])
                if n.attr in F.get(mod,{}):
                    pos.append((n.end_lineno,n.end_col_offset-len(n.attr.encode()),n.attr,F[mod][n.attr])); done=True
            if not done:
                own_m={k[1]:v for k,v in Mth.get(m,{}).items()}
                if n.attr.startswith('_') and n.attr in own_m:
                    cl=[k[0] for k in Mth[m] if k[1]==n.attr]
                    holders=[c.name for c in ast.walk(t) if isinstance(c,ast.ClassDef) for f in c.body if isinstance(f,(ast.FunctionDef,ast.AsyncFunctionDef)) and f.name==n.attr]
                    if isinstance(n.value,ast.Name) and n.value.id=='self' and cls is not None and (cls,n.attr) in Mth[m]:
                        pos.append((n.end_lineno,n.end_col_offset-len(n.attr.encode()),n.attr,Mth[m][(cls,n.attr)]))
                    elif len(holders)==1: pos.append((n.end_lineno,n.end_col_offset-len(n.attr.encode()),n.attr,own_m[n.attr]))
                    elif not(isinstance(n.value,ast.Name) and n.value.id=='self'): print('AMBIG',m,n.lineno,n.attr)
                elif n.attr.startswith('_') and not m.startswith('fabfile'):
                    c=[(mm,k,v) for mm,d in Mth.items() for k,v in d.items() if k[1]==n.attr]
                    if len(c)==1 and methodcount[n.attr]==1: pos.append((n.end_lineno,n.end_col_offset-len(n.attr.encode()),n.attr,c[0][2]))
                    elif c: print('TESTATTR',m,n.lineno,n.attr,[x[:2] for x in c])
            visit(n.value,scope,mods,cls); return
        if isinstance(n,ast.Call) and len(n.args)>=2 and isinstance(n.args[1],ast.Constant) and isinstance(n.args[1].value,str):
            x=n.args[0]; chain=[]
            while isinstance(x,ast.Attribute): chain.append(x.attr); x=x.value
            if isinstance(x,ast.Name) and x.id in mods:
                mod='.'.join([mods[x.id],*reversed(chain)])
                v=n.args[1].value
                if v in F.get(mod,{}): pos.append((n.args[1].lineno,n.args[1].col_offset,v,F[mod][v]))
        if isinstance(n,ast.Constant) and isinstance(n.value,str) and n.value.startswith('fabfile.'):
            mod,_,nm=n.value.rpartition('.')
            if nm in F.get(mod,{}): pos.append((n.lineno,n.col_offset+n.value.rfind('.')+1,nm,F[mod][nm]))
        if isinstance(n,ast.Assign) and any(isinstance(x,ast.Name) and x.id=='__all__' for x in n.targets):
            for e in n.value.elts:
                if e.value in own: pos.append((e.lineno,e.col_offset,e.value,own[e.value]))
        if isinstance(n,ast.JoinedStr) : pass
        for c in ast.iter_child_nodes(n): visit(c,scope,mods,cls)
    scope={o:v for o,v in own.items() if o in defs}
    for n in t.body:
        if isinstance(n,(ast.FunctionDef,ast.AsyncFunctionDef,ast.ClassDef)) and n.name in scope: pos.append((n.lineno,n.col_offset,n.name,scope[n.name]))
        if isinstance(n,(ast.Assign,ast.AnnAssign)):
            for y in ast.walk(n):
                if isinstance(y,ast.Name) and isinstance(y.ctx,ast.Store) and y.id in scope: pos.append((y.lineno,y.col_offset,y.id,scope[y.id]))
    mods={}
    # module-level imports first, so that functions defined before see them
    tops=[n for n in ast.walk(t) if isinstance(n,(ast.Import,ast.ImportFrom)) and (n in t.body or any(n in x.body for x in t.body if isinstance(x,(ast.If,ast.With,ast.Try))))]
    for n in tops: imp(n,scope,mods)
    newnames=set(scope.values())
    modlevel={x.id for n in t.body if isinstance(n,(ast.Assign,ast.AnnAssign)) for x in ast.walk(n) if isinstance(x,ast.Name) and isinstance(x.ctx,ast.Store)}|{n.name for n in t.body if isinstance(n,(ast.FunctionDef,ast.ClassDef))}
    for k,v in scope.items():
        if v in modlevel or v in mods: print('TOPCOLLISION',m,k,v)
    for n in t.body: visit(n,scope,mods,None)
    if pos:
        done=set(); e=[]
        for l,c,o,nw in pos:
            i=findcol(l,c,o)
            if i<0: print('NOTFOUND',m,l,o); continue
            if (l,i) in done: continue
            done.add((l,i)); e.append((l,i,o,nw))
        for l,i,o,nw in sorted(e,reverse=True):
            raw=L[l-1].encode(); L[l-1]=(raw[:i]+nw.encode()+raw[i+len(o.encode()):]).decode()
        # `name` in docstrings and comments of the same file
        txt='\n'.join(L)
        fields={x.arg for x in ast.walk(t) if isinstance(x,ast.arg)}|{x.target.id for x in ast.walk(t) if isinstance(x,ast.AnnAssign) and isinstance(x.target,ast.Name)}
        for o,v in own.items():
            if o in fields: continue
            txt=re.sub(rf'`{re.escape(o)}`',f'`{v}`',txt)
        for (c,o),v in Mth.get(m,{}).items(): txt=re.sub(rf'`{re.escape(o)}`',f'`{v}`',txt)
        p.write_text(txt); edits+=1
print(edits,'files')
