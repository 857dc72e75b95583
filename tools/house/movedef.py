"""movedef.py ROOT SRC DST name... : move top-level definitions between modules of fabfile (dotted or slashed paths)."""
import ast,sys,re
from pathlib import Path
root=Path(sys.argv[1]).resolve(); src,dst=[ 'fabfile.'+x.replace('/','.') for x in sys.argv[2:4]]; names=list(sys.argv[4:])
files={}
for top in ('fabfile','tests','lab','bench','healer'):
    for p in (root/top).rglob('*.py'):
        r=p.relative_to(root).with_suffix('')
        parts=r.parts[:-1] if r.name=='__init__' else r.parts
        files['.'.join(parts)]=p
for p in root.glob('*.py'): files[p.stem]=p
ispkg={m:p.name=='__init__.py' for m,p in files.items()}
sp=files[src]; st=sp.read_text(); tree=ast.parse(st); L=st.split('\n')
def defname(n):
    if isinstance(n,(ast.FunctionDef,ast.AsyncFunctionDef,ast.ClassDef)): return [n.name]
    if isinstance(n,ast.Assign): return [y.id for x in n.targets for y in ast.walk(x) if isinstance(y,ast.Name)]
    if isinstance(n,ast.AnnAssign): return [n.target.id]
    return []
take=[];spans=[]
body=tree.body
for i,n in enumerate(body):
    dn=defname(n)
    if dn and any(x in names for x in dn):
        start=min([n.lineno]+[d.lineno for d in getattr(n,'decorator_list',[])])
        while start>1 and L[start-2].startswith('#'): start-=1
        end=n.end_lineno
        # docstring after an assignment
        if i+1<len(body) and isinstance(body[i+1],ast.Expr) and isinstance(body[i+1].value,ast.Constant) and isinstance(body[i+1].value.value,str) and not isinstance(n,(ast.FunctionDef,ast.ClassDef)): end=body[i+1].end_lineno
        spans.append((start,end)); take.append((isinstance(n,(ast.FunctionDef,ast.AsyncFunctionDef,ast.ClassDef)),'\n'.join(L[start-1:end])))
found=[x for n in body for x in defname(n) if x in names]
for x in names:
    if x not in found: print('not in source',x)
names=found
imports=[n for n in body if isinstance(n,(ast.Import,ast.ImportFrom))]
typeimps=[n for n in body if isinstance(n,ast.If) and 'TYPE_CHECKING' in ast.dump(n.test)]
def resolve(cur,node,pkg=None):
    if not node.level: return node.module or ''
    parts=cur.split('.')
    if not (ispkg[cur] if pkg is None else pkg): parts=parts[:-1]
    parts=parts[:len(parts)-(node.level-1)]
    return '.'.join(parts+([node.module] if node.module else []))
def rel(cur,target):
    here=cur.split('.')
    if not ispkg.get(cur,False): here=here[:-1]
    t=target.split('.'); k=0
    while k<len(here) and k<len(t) and here[k]==t[k]: k+=1
    return '.'*(len(here)-k+1)+'.'.join(t[k:])
def stmt(cur,base,nm,absolute=False): return f"from {base if absolute else rel(cur,base)} import {nm}"
rest=[l for i,l in enumerate(L,1) if not any(a<=i<=b for a,b in spans)]
def insert_imports(text,lines):
    """after the last top import"""
    if not lines: return text
    t=ast.parse(text); ls=text.split('\n')
    last=0
    for n in t.body:
        if isinstance(n,(ast.Import,ast.ImportFrom)): last=n.end_lineno
        elif not(isinstance(n,ast.Expr) and isinstance(n.value,ast.Constant)): break
    if not last:
        last=t.body[0].end_lineno if t.body and isinstance(t.body[0],ast.Expr) else 0
    return '\n'.join(ls[:last]+lines+ls[last:])
# destination
dp=root/(dst.replace('.','/')+'.py')
if dst in files: dp=files[dst]; dtext=dp.read_text()
else:
    dp.parent.mkdir(parents=True,exist_ok=True); dtext='"""TODO."""\n\nfrom __future__ import annotations\n'; ispkg[dst]=False
imps=[]
for n in imports:
    if isinstance(n,ast.ImportFrom) and n.module=='__future__': continue
    if isinstance(n,ast.ImportFrom) and n.level:
        b=resolve(src,n)
        for a in n.names:
            if b==dst: continue
            if f'{b}.{a.name}'==dst: continue
            imps.append(stmt(dst,b,a.name+(f' as {a.asname}' if a.asname else '')))
    else: imps.append('\n'.join(L[n.lineno-1:n.end_lineno]))
for n in typeimps:
    imps.append('from typing import TYPE_CHECKING')
have=set(dtext.split('\n'))
dtext=insert_imports(dtext,[i for i in dict.fromkeys(imps) if i not in have])
for n in typeimps:
    for c in n.body:
        if isinstance(c,ast.ImportFrom):
            b=resolve(src,c); 
            dtext=insert_imports(dtext,[]) 
            line=f"if TYPE_CHECKING:\n    "+(stmt(dst,b,', '.join(a.name for a in c.names)) if c.level else '\n'.join(L[c.lineno-1:c.end_lineno]).strip())
            t2=dtext.split('\n'); 
            tt=ast.parse(dtext); last=max([x.end_lineno for x in tt.body if isinstance(x,(ast.Import,ast.ImportFrom))])
            dtext='\n'.join(t2[:last]+[line]+t2[last:])
dtext=dtext.rstrip('\n')+'\n\n'+'\n\n'.join(t for _,t in take)+'\n'
# drop the destination's own import of the moved names
def drop_import(text,cur,base,nms):
    t=ast.parse(text); ls=text.split('\n')
    for n in sorted([x for x in ast.walk(t) if isinstance(x,ast.ImportFrom)],key=lambda x:-x.lineno):
        if resolve(cur,n,ispkg.get(cur,False))==base:
            keep=[a for a in n.names if a.name not in nms]
            if len(keep)!=len(n.names):
                ind=' '*n.col_offset
                new=[ind+'from '+'.'*n.level+(n.module or '')+' import '+', '.join(a.name+(f' as {a.asname}' if a.asname else '') for a in keep)] if keep else []
                ls[n.lineno-1:n.end_lineno]=new
    return '\n'.join(ls)
dtext=drop_import(dtext,dst,src,names)
# everyone else
def modname(cur,base): return base
for m,p in files.items():
    if p==dp: continue
    text='\n'.join(rest) if m==src else p.read_text()
    t=ast.parse(text); aliases={}
    changed=m==src
    add=set(); edits=[]
    for n in ast.walk(t):
        if isinstance(n,ast.ImportFrom):
            b=resolve(m,n)
            for a in n.names:
                if f'{b}.{a.name}'==src: aliases[a.asname or a.name]=1
        if isinstance(n,ast.Import):
            for a in n.names:
                if a.name==src and a.asname: aliases[a.asname]=1
    ls=text.split('\n')
    for n in ast.walk(t):
        if isinstance(n,ast.Attribute) and isinstance(n.value,ast.Name) and n.value.id in aliases and n.attr in names:
            edits.append((n.lineno,n.col_offset,n.end_col_offset,n.attr)); add.add(n.attr)
        if isinstance(n,ast.Call) and len(n.args)>=2 and isinstance(n.args[0],ast.Name) and n.args[0].id in aliases and isinstance(n.args[1],ast.Constant) and n.args[1].value in names:
            print('PATCH',m,n.lineno,n.args[1].value)
        if isinstance(n,ast.Constant) and isinstance(n.value,str) and any(n.value==f'{src}.{x}' for x in names): print('STRING',m,n.lineno,n.value)
    for l,c,e,nm in sorted(edits,reverse=True):
        raw=ls[l-1].encode(); ls[l-1]=(raw[:c]+nm.encode()+raw[e:]).decode(); changed=True
    text='\n'.join(ls)
    # from SRC import name
    t=ast.parse(text); ls=text.split('\n')
    for n in sorted([x for x in ast.walk(t) if isinstance(x,ast.ImportFrom)],key=lambda x:-x.lineno):
        if resolve(m,n)==src and any(a.name in names for a in n.names):
            keep=[a for a in n.names if a.name not in names]; mv=[a for a in n.names if a.name in names]
            ind=' '*n.col_offset; f=lambda x:', '.join(a.name+(f' as {a.asname}' if a.asname else '') for a in x)
            new=[]
            if keep: new.append(ind+'from '+'.'*n.level+(n.module or '')+' import '+f(keep))
            new.append(ind+(f'from {dst} import ' if not n.level else f'from {rel(m,dst)} import ')+f(mv))
            ls[n.lineno-1:n.end_lineno]=new; changed=True
    text='\n'.join(ls)
    if m==src:
        used={n.id for n in ast.walk(ast.parse(text)) if isinstance(n,ast.Name)}
        add|={x for x in names if x in used}
    if add:
        text=insert_imports(text,[stmt(m,dst,', '.join(sorted(add)),absolute=not m.startswith('fabfile'))]); changed=True
    if changed: p.write_text(text.rstrip('\n')+'\n')
dp.write_text(dtext)
